"""From a site's observations to a reference document, with a report a clinician can read. Needs ``nmus[fit]``."""
