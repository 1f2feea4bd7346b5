"""Concepts of the nerve analysis that no standard has: private scheme 99NMUS, NM-7001 to NM-7199.

A value is never reused.
"""

from __future__ import annotations

from plugins.codes import private

CIRCULARITY = private("NM-7001", "Circularity of a cross-section")
FLATTENING = private("NM-7002", "Flattening ratio, long over short axis")
HYPOECHOIC_FRACTION = private("NM-7003", "Hypoechoic fraction of a nerve's cross-section")
DISTANCE_TO_SKIN = private("NM-7004", "Distance from skin to nerve")
STATED_AREA = private("NM-7005", "Area as stated by the source of the drawing")
IMAGES_AVERAGED = private("NM-7006", "Number of images averaged")
SPREAD_OVER_IMAGES = private("NM-7007", "Coefficient of variation over repeated images")
DRAWN_AND_FOUND_DIFFERENCE = private("NM-7008", "Area found less area drawn, per cent of drawn")
PARTS = private("NM-7009", "Number of parts of the nerve")

WRIST_FOREARM_RATIO = private("NM-7020", "Wrist-to-forearm area ratio")
WRIST_FOREARM_DIFFERENCE = private("NM-7021", "Wrist-to-forearm area difference")
SIDE_RATIO = private("NM-7022", "Side-to-side area ratio, larger over smaller")
SIDE_DIFFERENCE = private("NM-7023", "Side-to-side area difference, right less left")
INTRANERVE_VARIABILITY = private("NM-7024", "Intranerve area variability, largest over smallest")
INTERNERVE_VARIABILITY = private("NM-7025", "Internerve variability, largest over smallest INCV")
ENTRAPMENT_RATIO = private("NM-7026", "Entrapment ratio, entrapment site over other sites")
SWELLING_RATIO = private("NM-7027", "Area over that of the nearest normal site")
SCORE = private("NM-7028", "Score of a named nerve ultrasound protocol")
CARPAL_TUNNEL_DIFFERENCE = private("NM-7029", "Carpal tunnel area less that at pronator")

DIAMETER_MEAN = private("NM-7040", "Nerve diameter along the nerve, mean")
DIAMETER_MINIMUM = private("NM-7041", "Nerve diameter along the nerve, minimum")
DIAMETER_MAXIMUM = private("NM-7042", "Nerve diameter along the nerve, maximum")
CALIBRE_RATIO = private("NM-7043", "Diameter at a constriction over that beside it")
PROFILE_LENGTH = private("NM-7044", "Length of nerve with a profile")
AREA_MAXIMUM = private("NM-7045", "Largest area of a sweep")
AREA_MINIMUM = private("NM-7046", "Smallest area of a sweep")
AREA_VARIABILITY = private("NM-7047", "Area variability along a sweep, largest over smallest")
FRAMES_TRACKED = private("NM-7048", "Frames tracked")

OUTLINE_FROM_SEED = private("NM-7060", "Outline by seeded network and closed path")
OUTLINE_AS_DRAWN = private("NM-7061", "Outline as drawn by a person")
PATTERN = private("NM-7070", "Pattern of nerve enlargement")
FOCAL_AT_ENTRAPMENT = private("NM-7071", "Focal enlargement at an entrapment site")
MULTIPLE_ENTRAPMENT = private("NM-7072", "Enlargement at several entrapment sites only")
MULTIFOCAL = private("NM-7073", "Multifocal enlargement at other sites")
UNIFORM = private("NM-7074", "Uniform enlargement")
NO_ENLARGEMENT = private("NM-7075", "No enlargement at the sites measured")
CALIBRE_CHANGE = private("NM-7076", "Minimum between two maxima of the diameter")
ONE_SITE = private("NM-7077", "Enlargement at one site away from entrapment")
