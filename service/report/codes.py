"""Concepts of the documents themselves, each once, with where it comes from. Those of measurements are the plugins'.

Sources: DICOM PS3.16 templates TID 1500, 1410, 1419, 310 to 312 and 1600, and the context groups they name.
"""

from __future__ import annotations

from highdicom.sr import CodedConcept

from plugins.codes import private
from reference_store.values import Code

IMAGING_MEASUREMENT_REPORT = Code("126000", "DCM", "Imaging Measurement Report")
IMAGING_MEASUREMENTS = Code("126010", "DCM", "Imaging Measurements")
IMAGING_PROCEDURE = Code("363679005", "SCT", "Imaging procedure")
"""CID 100 has no ultrasound entry; this is its general one, which every validator knows."""
ANATOMICAL_STRUCTURE = Code("91723000", "SCT", "Anatomical structure")
SKELETAL_MUSCLE = Code("127954009", "SCT", "Skeletal muscle")
PERIPHERAL_NERVE = Code("84782009", "SCT", "Peripheral nerve")
NORMAL_RANGE_LOWER_LIMIT = Code("385524004", "SCT", "Lower limit of normal range")
NORMAL_RANGE_UPPER_LIMIT = Code("371933006", "SCT", "Upper limit of normal range")
POPULATION_MEAN = Code("373098007", "SCT", "Mean value of population")
POPULATION_SD = Code("121414", "DCM", "Standard deviation of population")
Z_SCORE_OF_MEASUREMENT = Code("121416", "DCM", "Z-Score of measurement")
PERCENTILE_OF_MEASUREMENT = Code("121415", "DCM", "Percentile Ranking of measurement")
ABNORMALLY_HIGH = Code("371879000", "SCT", "Abnormally high")
ABNORMALLY_LOW = Code("371880002", "SCT", "Abnormally low")
COMMENT = Code("121106", "DCM", "Comment")
CONCLUSION = Code("121077", "DCM", "Conclusion")
SUMMARY = Code("121111", "DCM", "Summary")
NOT_ASSESSED = private("NM-5101", "Not assessed")
QUALITY_FLAG = private("NM-5102", "Quality flag")
COMPARISON_NOT_MADE = private("NM-5103", "Comparison not made")
REGION_ORIGIN = private("NM-5104", "Origin of the region")
CONFIDENCE = private("NM-5105", "Confidence of the outline")
IMAGES_AVERAGED = private("NM-5106", "Images averaged")
REFERENCE_SOURCE = private("NM-5107", "Reference")
EXAM_CONCLUSION = private("NM-5108", "Conclusion over the exam")
REPEATABILITY = private("NM-5109", "Standard deviation over repeated images")
DEVICE_SETTINGS = private("NM-5110", "Device and settings")
CHANGE = private("NM-5111", "Change since the earlier exam")
SMALLEST_DETECTABLE = private("NM-5112", "Smallest detectable change")
TIME_SINCE = private("NM-5113", "Time since the earlier exam")
MEASUREMENT_COMPARED = private("NM-5114", "Measurement compared")
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
FINDING_SITE = Code("363698007", "SCT", "Finding Site")
LATERALITY = Code("272741003", "SCT", "Laterality")
TOPOGRAPHICAL_MODIFIER = Code("106233006", "SCT", "Topographical modifier")
PRIOR_REPORT = Code("122075", "DCM", "Prior report for current patient")
EVENT_FRAMES = Code("121200", "DCM", "Illustration of ROI")
LEFT = Code("7771000", "SCT", "Left")
RIGHT = Code("24028007", "SCT", "Right")
TRANSVERSE = Code("62824007", "SCT", "Transverse")
LONGITUDINAL = Code("38717003", "SCT", "Longitudinal")
SOURCE_IMAGE = Code("121112", "DCM", "Source of Measurement")
SOURCE = Code("260753009", "SCT", "Source")
IMAGE_REGION = Code("111030", "DCM", "Image Region")
MEASUREMENT_GROUP = Code("125007", "DCM", "Measurement Group")
TRACKING_IDENTIFIER = Code("112039", "DCM", "Tracking Identifier")
TRACKING_UNIQUE_IDENTIFIER = Code("112040", "DCM", "Tracking Unique Identifier")
FINDING_CATEGORY = Code("276214006", "SCT", "Finding category")
FINDING = Code("121071", "DCM", "Finding")
ALGORITHM_NAME = Code("111001", "DCM", "Algorithm Name")
ALGORITHM_VERSION = Code("111003", "DCM", "Algorithm Version")
ALGORITHM_MANUFACTURER = Code("122405", "DCM", "Algorithm Manufacturer")
ALGORITHM_PARAMETERS = Code("111002", "DCM", "Algorithm Parameters")
MEASUREMENT_METHOD = Code("370129005", "SCT", "Measurement Method")
DERIVATION = Code("121401", "DCM", "Derivation")
NORMALITY = Code("121402", "DCM", "Normality")
POPULATION_DESCRIPTION = Code("121405", "DCM", "Population Description")
REFERENCE_AUTHORITY = Code("121406", "DCM", "Reference Authority")
NORMAL_RANGE_DESCRIPTION = Code("121407", "DCM", "Normal Range description")
NORMAL_RANGE_AUTHORITY = Code("121408", "DCM", "Normal Range Authority")
DEVICE = Code("121007", "DCM", "Device")
PROCESSING_EQUIPMENT = Code("109102", "DCM", "Processing Equipment")
REPLACED_REPORT = Code("121360", "DCM", "Replaced report")


def concept(code: Code) -> CodedConcept:
    """As highdicom takes it."""
    return CodedConcept(code.value, code.scheme, code.meaning)
