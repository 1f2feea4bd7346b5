"""Published cut-offs and scores, as named rules that a site selects. Each states its source and how well it did.

A rule whose numbers were recalled, not read in the source, is off until a site names it as confirmed. None gives a
diagnosis or a severity: a rule says whether its own condition is met.
"""

from __future__ import annotations

from dataclasses import dataclass

from plugins.nerve_area import along, rules, scores
from plugins.nerve_area.rules import CIN, EAN, MEDIAN, Rule

HEALTHY = "limit: mean + 2 SD of 75 healthy adults; the figure depends on which sites enter"


@dataclass(frozen=True, slots=True)
class Protocol:
    """A published rule."""

    key: str
    title: str
    source: str
    performance: str
    rule: Rule
    recalled: bool = False
    """Its numbers were not read in the source: a site must confirm them first."""


PROTOCOLS: tuple[Protocol, ...] = (
    Protocol(
        "cts_dutch_11",
        "Median nerve at the wrist above 11 mm²",
        "Practical Neurology table 2; Olde Dubbelink 2020",
        "sensitivity 70 % in 253 with and 96 without carpal tunnel syndrome",
        rules.above(MEDIAN, along.WRIST, 11.0),
    ),
    *(
        Protocol(
            f"cts_{limit}",
            f"Median nerve at the wrist {limit} mm² or more",
            "thresholds of 10 to 12 mm² in common use; Cartwright 2012",
            "no single figure",
            rules.above(MEDIAN, along.WRIST, float(limit), equal=True),
            recalled=True,
        )
        for limit in (10, 11, 12)
    ),
    Protocol(
        "cts_wrist_circumference",
        "Median nerve at the wrist above 0.88 × wrist circumference (cm) − 4.0 mm²",
        "Olde Dubbelink 2020",
        "sensitivity and specificity 75 %; the circumference comes from a drawing's label",
        rules.wrist_circumference,
    ),
    Protocol(
        "cts_delta_2",
        "Carpal tunnel less pronator level 2 mm² or more",
        "Klauser 2009",
        "one centre, 100 wrists and 93 controls; its 99 % and 100 % are not to be expected elsewhere",
        rules.carpal_tunnel_difference,
    ),
    Protocol(
        "cts_wrist_forearm_1_4",
        "Wrist-to-forearm ratio 1.4 or more",
        "Hobson-Webb 2008",
        "below the mean of 1.57 of healthy adults in Bae 2021: not specific there",
        rules.wrist_forearm(1.4),
        recalled=True,
    ),
    Protocol(
        "cts_median_ulnar_1_79",
        "Median over ulnar nerve at the wrist 1.79 or more",
        "Yurdakul 2016, J Clin Neurol 12(3)",
        "sensitivity 70 %, specificity 76 %",
        rules.median_over_ulnar,
    ),
    Protocol(
        "une_10",
        "Ulnar nerve at the elbow 10 mm² or more",
        "Chang 2018, five studies pooled",
        "sensitivity 0.85 (0.78–0.90), specificity 0.91 (0.86–0.94)",
        rules.above(frozenset({"ulnar_nerve"}), along.ULNAR_ELBOW, 10.0, equal=True),
    ),
    Protocol(
        "une_9_7",
        "Ulnar nerve at the medial epicondyle 9.7 mm² or more",
        "J Med Ultrasound 2022;30:189",
        "36 nerves of one centre",
        rules.above(frozenset({"ulnar_nerve"}), frozenset({"medial_epicondyle"}), 9.7, equal=True),
    ),
    Protocol(
        "radiculopathy_c5",
        "C5 root above 9.6 mm²",
        "Takeuchi 2017",
        "102 with cervical radiculopathy, 219 healthy",
        rules.above(frozenset({"c5_root"}), None, 9.6),
    ),
    Protocol(
        "radiculopathy_c6_c7",
        "C6 or C7 root above 15 mm²",
        "Takeuchi 2017",
        "102 with cervical radiculopathy, 219 healthy",
        rules.above(frozenset({"c6_root", "c7_root"}), None, 15.0),
    ),
    Protocol(
        "cin_goedee",
        "Median forearm above 10, arm above 13 or any trunk above 8 mm²",
        "Goedee 2017",
        "99 % specific where derived; 67.3 % in the later multicentre validation (Herraets 2020): supportive only",
        rules.several((*CIN, (along.TRUNKS, None, 8.0)), 1),
    ),
    Protocol(
        "cin_herraets",
        "Median forearm above 10, arm above 13 or C5 root above 8 mm²",
        "Herraets 2020",
        "100 patients, 3 centres: sensitivity 87.4 %, specificity 67.3 %: supportive only",
        rules.several((*CIN, (frozenset({"c5_root"}), None, 8.0)), 1),
    ),
    Protocol(
        "cidp_ean_pns",
        "Two sites or more: median forearm 10, arm 13, interscalene 9, roots 12 mm²",
        "EAN/PNS 2021",
        "a supportive criterion in adults",
        rules.several(EAN, 2),
        recalled=True,
    ),
    Protocol(
        "intranerve_kerasnoudis",
        "Intranerve variability above that of healthy adults",
        "Kerasnoudis 2013; Padua 2012",
        HEALTHY,
        scores.intranerve,
    ),
    Protocol(
        "internerve_kerasnoudis",
        "Internerve variability above that of healthy adults",
        "Kerasnoudis 2013",
        HEALTHY,
        scores.internerve,
    ),
    Protocol(
        "intraplexus_kerasnoudis",
        "Intraplexus variability above that of healthy adults",
        "Kerasnoudis 2013",
        HEALTHY,
        scores.intraplexus,
    ),
    Protocol(
        "side_to_side_kerasnoudis",
        "Side-to-side ratio above that of healthy adults",
        "Kerasnoudis 2013",
        HEALTHY,
        scores.side_to_side,
    ),
    Protocol(
        "zaidman",
        "Regional or diffuse enlargement of median and ulnar nerves",
        "Zaidman 2013",
        "diffuse in 89 % of 35 with CMT-1; another category in CIDP 64 %, GBS 95 %, MMN 100 %",
        rules.zaidman,
    ),
    Protocol(
        "swollen_side_1_55",
        "Side-to-side ratio of a plexus nerve 1.55 or more",
        "neuralgic amyotrophy series 2023",
        "44 affected, 30 healthy",
        rules.swollen_side,
    ),
    Protocol(
        "entrapment_ratio_1_4",
        "Entrapment ratio above 1.4",
        "mUPSS 2015",
        "31 with hereditary neuropathies",
        rules.multiple_entrapment,
    ),
    Protocol(
        "entrapment_ratio_below_1",
        "Entrapment ratio below 1.0",
        "mUPSS 2015",
        "31 with hereditary neuropathies: below 1.0 in CMT1, above 1.4 in HNPP",
        rules.no_entrapment,
    ),
    Protocol(
        "wrist_forearm_noto",
        "Wrist-to-forearm ratio of the median nerve below 0.8 or above 1.8",
        "Noto 2013",
        "where met, less consistent with CMT2A or CMTX (24 with hereditary neuropathies of these or CMT1A, 28 healthy)",
        rules.outside_wrist_forearm(0.8, 1.8),
    ),
    Protocol(
        "sensory_sparing",
        "Roots or vagus enlarged, sensory nerves normal",
        "GBS and acute-onset CIDP 2019",
        "33 GBS, 34 acute-onset CIDP: sensitivity, specificity and PPV above 85 %",
        rules.sensory_sparing,
    ),
    Protocol(
        "bochum",
        "Bochum ultrasound score 2 or more of 4",
        "Kerasnoudis 2014",
        "about 90 % and 90 %",
        scores.bochum,
        recalled=True,
    ),
    Protocol(
        "upss",
        "Ultrasound pattern sum score: UPSA 7 or more",
        "Grimm 2018; mUPSS 2015",
        "positive predictive value above 85 % in 24; the sites, their points and the limit were recalled",
        scores.upss,
        recalled=True,
    ),
)
"""Rows of the literature that state no rule which could be computed are listed in README.md, with the reason."""

BY_KEY = {protocol.key: protocol for protocol in PROTOCOLS}
VERIFIED = tuple(protocol.key for protocol in PROTOCOLS if not protocol.recalled)
