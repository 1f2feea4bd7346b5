"""Asking other systems what they have: C-FIND, C-MOVE, QIDO-RS, an Orthanc's own search."""
