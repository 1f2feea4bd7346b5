"""Concepts of the fasciculation analysis that no standard scheme has (99NMUS, NM-2xxx)."""

from __future__ import annotations

from plugins.codes import private

COUNT = private("NM-2001", "Fasciculation count")
RATE = private("NM-2002", "Fasciculation rate")
EVENT = private("NM-2003", "Fasciculation event")
PRESENCE = private("NM-2005", "Fasciculations, at least two in the observed time")
SHARE = private("NM-2006", "Share of the observed field that fasciculated")
INTERVAL = private("NM-2007", "Interval between fasciculations")
PEAK_DISPLACEMENT = private("NM-2008", "Peak displacement of fasciculations")
DURATION = private("NM-2009", "Duration of fasciculations")
RATE_NOT_EXCLUDED = private("NM-2010", "Fasciculation rate that the observation cannot exclude")
RATE_DETECTABLE = private("NM-2011", "Rate at which two events would have been seen")
OBSERVED_TIME = private("NM-2012", "Time in which fasciculations could be judged")
REJECTED_COUNT = private("NM-2013", "Movements judged not to be fasciculations")
PEAK_SPEED = private("NM-2014", "Peak speed of fasciculations")
FINE_MOTION = private("NM-2015", "Fine irregular motion")
MUSCLES_WITH = private("NM-2016", "Muscles with fasciculations")
MUSCLES_EXAMINED = private("NM-2017", "Muscles examined for fasciculations")
TOTAL_COUNT = private("NM-2018", "Fasciculations in all muscles together")
PROTOCOL_MET = private("NM-2019", "Multi-muscle fasciculation protocol criterion")
METHOD = private("NM-3002", "Block Lucas-Kanade residual motion with event classification")
