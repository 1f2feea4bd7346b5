"""Concepts of the muscle analysis that no standard has: private scheme 99NMUS, NM-1001 to NM-1199.

A value is never reused. Texture features carry the codes of the Image Biomarker Standardisation Initiative (IBSI),
which DICOM lists in CID 7467 and CID 7475 (PS3.16).
"""

from __future__ import annotations

from plugins.codes import private
from reference_store.values import Code

SKEWNESS = Code("126051", "DCM", "Skewness")
KURTOSIS = Code("126052", "DCM", "Kurtosis")

PERCENTILE_5 = private("NM-1001", "Echogenicity, 5th percentile")
PERCENTILE_95 = private("NM-1002", "Echogenicity, 95th percentile")
SHARE_AT_0 = private("NM-1003", "Fraction of pixels at grey level 0")
SHARE_AT_255 = private("NM-1004", "Fraction of pixels at grey level 255")
SHARE_COLOURED = private("NM-1005", "Fraction of coloured pixels left out")
ECHO_VARIATION = private("NM-1006", "Echo variation")
IMAGES_AVERAGED = private("NM-1007", "Number of images averaged")
SPREAD_OVER_IMAGES = private("NM-1008", "Coefficient of variation over repeated images")

FAT_THICKNESS = private("NM-1011", "Subcutaneous tissue thickness")
REGION_AREA = private("NM-1012", "Area of the measured region")
REGION_DEPTH = private("NM-1014", "Depth of the measured region")

DEPTH_SLOPE = private("NM-1020", "Echogenicity slope over depth")
SUPERFICIAL_THIRD = private("NM-1021", "Echogenicity of the superficial third")
MIDDLE_THIRD = private("NM-1022", "Echogenicity of the middle third")
DEEP_THIRD = private("NM-1023", "Echogenicity of the deep third")
THIRDS_DIFFERENCE = private("NM-1024", "Superficial less deep third echogenicity")

ANISOTROPY = private("NM-1030", "Structure tensor anisotropy")
FIBRE_ANGLE = private("NM-1031", "Fibre angle to the horizontal")
PENNATION_ANGLE = private("NM-1032", "Pennation angle to the deep aponeurosis")
FASCIA_SLANT = private("NM-1033", "Slant of the superficial fascia")

FAT_ECHO = private("NM-1040", "Echogenicity of subcutaneous tissue")
MUSCLE_TO_FAT = private("NM-1041", "Muscle to subcutaneous echogenicity ratio")
DEEP_BORDER_ECHO = private("NM-1042", "Echo of the deep border")
DEEP_BORDER_CONTRAST = private("NM-1043", "Contrast of the deep border")
BRIGHT_AREA_SHARE = private("NM-1044", "Share of bright areas in the muscle")
DARK_ISLANDS = private("NM-1045", "Number of dark islands in the muscle")
SHADOWING_SPOTS = private("NM-1046", "Number of bright spots with shadow")
LOCAL_VARIATION = private("NM-1047", "Local variation of echogenicity")
NEIGHBOUR_DIFFERENCE = private("NM-1048", "Echogenicity less that of the neighbouring muscle")
CALIBRATED_BACKSCATTER = private("NM-1050", "Calibrated muscle backscatter")

SUGGESTED_CLASS = private("NM-1060", "Suggested visual class of the muscle")
CLASS_NORMAL = private("NM-1061", "Suggested: normal")
CLASS_UNCERTAIN = private("NM-1062", "Suggested: uncertain")
CLASS_ABNORMAL = private("NM-1063", "Suggested: abnormal")
READER_GRADE = private("NM-1064", "Grade given by a reader")
READER_GRADE_TEXT = private("NM-1065", "Grade as the reader wrote it")
HECKMATT = {
    str(grade): private(f"NM-107{grade}", f"Heckmatt grade {grade}, given by a reader") for grade in (1, 2, 3, 4)
}
"""Grades of the Heckmatt scale (1982), only ever as a reader gave them."""

SIDE_DIFFERENCE_ECHO = private("NM-1080", "Echogenicity, left less right")
SIDE_DIFFERENCE_THICKNESS = private("NM-1081", "Muscle thickness, left less right")
SIDE_DIFFERENCE_AREA = private("NM-1082", "Muscle cross-sectional area, left less right")
Z_CONTRAST = private("NM-1083", "Largest less smallest z-score of echogenicity in the exam")

PATTERN = private("NM-1100", "Pattern of muscle echogenicity")
PATTERNS = {
    "ground_glass": private("NM-1101", "Features consistent with ground glass pattern"),
    "attenuation": private("NM-1102", "Features consistent with attenuation pattern"),
    "focal": private("NM-1103", "Features consistent with focal hyperechogenicity"),
    "see_through": private("NM-1104", "Features consistent with see-through pattern"),
    "patchy": private("NM-1105", "Features consistent with patchy pattern"),
    "moth_eaten": private("NM-1106", "Features consistent with moth-eaten pattern"),
    "calcification": private("NM-1107", "Features consistent with calcification"),
    "flexor_contrast": private("NM-1108", "Features consistent with selective deep flexor change"),
    "selective": private("NM-1109", "Features consistent with selective involvement of muscles"),
    "one_root": private("NM-1110", "Features consistent with involvement of one root"),
    "one_nerve": private("NM-1111", "Features consistent with involvement of one nerve"),
}

TEXTURE = (
    ("glcm", "joint_maximum", "GYBY", "Joint Maximum of GLCM"),
    ("glcm", "joint_entropy", "TU9B", "Joint Entropy of GLCM"),
    ("glcm", "angular_second_moment", "8ZQL", "Angular Second Moment of GLCM"),
    ("glcm", "contrast", "ACUI", "Contrast of GLCM"),
    ("glcm", "dissimilarity", "8S9J", "Dissimilarity of GLCM"),
    ("glcm", "inverse_difference", "IB1Z", "Inverse Difference of GLCM"),
    ("glcm", "inverse_difference_moment", "WF0Z", "Inverse Difference Moment of GLCM"),
    ("glcm", "correlation", "NI2N", "Correlation of GLCM"),
    ("glrlm", "short_runs_emphasis", "22OV", "Short Runs Emphasis"),
    ("glrlm", "long_runs_emphasis", "W4KF", "Long Runs Emphasis"),
    ("glrlm", "grey_level_non_uniformity_normalised", "OVBL", "Normalized Gray Level Nonuniformity in Runs"),
    ("glrlm", "run_length_non_uniformity_normalised", "IC23", "Normalized Run Length Nonuniformity"),
    ("glrlm", "run_percentage", "9ZK5", "Run Percentage"),
    ("glrlm", "grey_level_variance", "8CE5", "Gray Level Variance in Runs"),
    ("glrlm", "run_length_variance", "SXLW", "Run Length Variance"),
    ("glrlm", "run_entropy", "HJ9O", "Run Entropy"),
)
"""Family, feature, IBSI code and its meaning in DICOM (CID 7467 and 7475)."""
