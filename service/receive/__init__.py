"""From scanners and Orthanc into the archive."""
