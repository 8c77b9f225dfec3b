"""How far two countries lie apart at the least. Standard library only.

Source: the bounding boxes of Natural Earth's map subunits, 1:50 million (naturalearthdata.com, public domain), as the
package country-bounding-boxes 0.2.3 (Apache-2.0) has them. They are rounded outward to a tenth of a degree, and boxes
of one country that overlap are one. What lies apart, as Alaska and Hawaii, has a box of its own.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import product
from typing import NamedTuple

_EARTH_RADIUS_KM = 6371.0088  # the mean radius of the International Union of Geodesy and Geophysics

# ISO 3166-1 alpha-2, then south, west, north and east of each box, in degrees.
_BOXES = """
    AD 42.4 1.4 42.7 1.8  AE 22.6 51.5 26.1 56.4  AF 29.3 60.4 38.5 74.9
    AG 16.9 -61.9 17.2 -61.6 17.5 -61.9 17.8 -61.7  AI 18.1 -63.2 18.3 -62.9  AL 39.6 19.2 42.7 21.1
    AM 38.8 43.4 41.3 46.6  AO -18.1 11.7 -4.4 24.1  AQ -90 -180 -61 -0.1 -90 0 -65.1 180 -60.8 -46 -60.5 -45.1
    AR -55.1 -73.6 -21.8 -53.6  AS -14.4 -170.9 -14.2 -170.5  AT 46.3 9.5 49.1 17.2
    AU -54.8 158.8 -54.4 159 -43.7 143.8 -39.5 148.5 -39.2 112.9 -10 153.7  AW 12.4 -70.1 12.7 -69.8
    AX 60 19.5 60.5 20.7  AZ 38.3 44.7 41.9 50.4  BA 42.5 15.7 45.3 19.6  BB 13 -59.7 13.4 -59.4
    BD 20.7 88 26.6 92.7  BE 49.5 2.5 51.5 6.4  BF 9.4 -5.6 15.1 2.4  BG 41.2 22.3 44.3 28.6
    BH 25.8 50.4 26.3 50.7  BI -4.5 29 -2.3 30.9  BJ 6.2 0.7 12.4 3.9  BL 17.8 -62.9 18 -62.7
    BM 32.2 -64.9 32.4 -64.6  BN 4 114 5.1 115.4  BO -22.9 -69.7 -9.7 -57.4  BQ 12 -68.4 12.4 -68.2
    BR -33.8 -74.1 5.3 -34.8  BS 20.9 -79 27 -72.7  BT 26.7 88.7 28.4 92.1  BW -26.9 19.9 -17.7 29.4
    BY 51.2 23.1 56.2 32.8  BZ 15.8 -89.3 18.5 -87.7  CA 41.6 -141.1 83.2 -52.6  CC -12.2 96.8 -12.1 97
    CD -13.5 12.2 5.4 31.3  CF 2.2 14.4 11 27.5  CG -5.1 11.1 3.7 18.7  CH 45.8 5.9 47.8 10.5
    CI 4.3 -8.7 10.8 -2.5  CK -21.3 -159.9 -21.1 -159.7
    CL -55.9 -75.8 -17.5 -66.4 -33.7 -79 -33.5 -78.7 -27.2 -109.5 -27 -109.2  CM 1.6 8.5 13.1 16.2
    CN 18.2 73.6 53.6 134.8  CO -4.3 -79.1 12.5 -66.8  CR 8 -86 11.2 -82.5  CU 19.8 -84.9 23.2 -74.1
    CV 14.8 -25.4 17.2 -22.6  CW 12 -69.2 12.4 -68.7  CX -10.6 105.5 -10.4 105.8  CY 34.5 32.3 35.2 34.1
    CZ 48.5 12 51.1 18.9  DE 47.2 5.8 55.1 15.1  DJ 10.9 41.7 12.8 43.5  DK 54.6 8.1 57.8 12.7 55 14.6 55.3 15.2
    DM 15.2 -61.5 15.7 -61.2  DO 17.6 -72.1 20 -68.3  DZ 18.9 -8.7 37.1 12
    EC -5 -81 1.5 -75.2 -1.4 -91.7 0.2 -89.2  EE 57.5 21.8 59.7 28.2  EG 21.9 24.7 31.7 36.9
    EH 20.8 -17.1 27.7 -8.6  ER 12.3 36.4 18.1 43.2  ES 27.6 -18.2 29.3 -13.4 36 -9.3 43.8 4.4  ET 3.4 32.9 14.9 48
    FI 59.8 20.6 70.1 31.6  FJ -21.8 174.5 -12.4 180 -20.7 -180 -16.1 -178.2  FK -52.4 -61.2 -51.2 -57.7
    FM 5.2 138 9.6 163  FO 61.4 -7.5 62.4 -6.4  FR 41.3 8.5 43.1 9.6 42.3 -4.8 51.1 8.2  GA -4 8.7 2.4 14.5
    GB 50 -8.2 60.9 1.8  GD 12 -61.8 12.3 -61.6  GE 41 39.9 43.6 46.7  GF 2.1 -54.7 5.8 -51.6
    GG 49.4 -2.7 49.6 -2.5  GH 4.7 -3.3 11.2 1.2  GL 59.8 -72.9 83.6 -11.4  GM 13 -16.9 13.9 -13.8
    GN 7.2 -15.1 12.7 -7.6  GP 15.8 -61.8 16.6 -61.1  GQ 0.9 9.3 2.4 11.4 3.2 8.4 3.8 9  GR 34.9 19.6 41.8 28.3
    GS -58.5 -26.5 -58.3 -26.2 -54.9 -38.1 -53.9 -35.7  GT 13.7 -92.3 17.9 -88.2  GU 13.2 144.6 13.7 145
    GW 10.9 -16.8 12.7 -13.6  GY 1.2 -61.4 8.6 -56.4  HK 22.1 113.8 22.6 114.4  HM -53.2 73.2 -52.9 73.9
    HN 12.9 -89.4 16.6 -83.1  HR 42.4 13.5 46.6 19.5  HT 18 -74.5 20.1 -71.6  HU 45.7 16 48.6 22.9
    ID -11 95.2 6 141  IE 51.4 -10.4 55.4 -6  IL 29.4 34.2 33.5 36  IM 54 -4.8 54.5 -4.3  IN 6.7 68.1 35.5 97.4
    IO -7.5 72.3 -7.2 72.5  IQ 29 38.7 37.4 48.6  IR 25.1 44 39.8 63.4  IS 63.4 -24.5 66.6 -13.5
    IT 36.6 6.6 47.1 18.5  JE 49.1 -2.3 49.3 -2  JM 17.7 -78.4 18.6 -76.2  JO 29.1 34.9 33.4 39.3
    JP 24.2 123.6 28.6 129.8 26.6 142.1 26.8 142.3 30.2 128.6 45.6 145.9  KE -4.7 33.9 5.5 41.9
    KG 39.2 69.2 43.3 80.3  KH 10.4 102.3 14.8 107.7  KI -11.5 -174.6 4 -151.7 -1.3 169.5 3.2 174.8
    KM -12.4 43.2 -11.3 44.6  KN 17.1 -62.9 17.5 -62.5  KP 37.7 124.3 43 130.7
    KR 33.2 126.1 33.6 127 34.2 126 38.7 129.6 37.4 130.8 37.6 131  KW 28.5 46.5 30.1 48.5
    KY 19.2 -81.5 19.8 -79.7  KZ 40.6 46.6 55.4 87.4  LA 13.9 100.1 22.5 107.7  LB 33 35.1 34.7 36.6
    LC 13.7 -61.1 14.1 -60.8  LI 47 9.4 47.3 9.7  LK 5.9 79.7 9.9 81.9  LR 4.3 -11.6 8.6 -7.3
    LS -30.7 27 -28.5 29.4  LT 53.8 20.8 56.5 26.8  LU 49.4 5.7 50.2 6.5  LV 55.6 21 58.1 28.3
    LY 19.4 9.3 33.2 25.2  MA 21.4 -17.1 36 -1  MC 43.7 7.3 43.8 7.5  MD 45.4 26.6 48.5 30.2
    ME 41.8 18.4 43.6 20.4  MF 18 -63.2 18.2 -63  MG -25.6 43.2 -12 50.5  MH 5.7 166.8 11.2 171.8
    MK 40.8 20.4 42.4 23.1  ML 10.1 -12.3 25 4.3  MM 9.8 92.1 28.6 101.2  MN 41.5 87.7 52.2 119.9
    MO 22.1 113.4 22.3 113.6  MP 14.1 145.1 18.9 145.9  MQ 14.4 -61.3 14.9 -60.8  MR 14.7 -17.1 27.3 -4.8
    MS 16.6 -62.3 16.9 -62.1  MT 35.8 14.1 36.1 14.6  MU -20.6 57.3 -19.9 57.8  MV 3.2 73.3 4.3 73.6
    MW -17.2 32.6 -9.3 35.9  MX 14.5 -118.5 32.8 -86.6  MY 0.8 99.6 7.4 119.3  MZ -26.9 30.2 -10.4 40.9
    NA -29 11.7 -16.9 25.3  NC -22.7 159.9 -19.1 168.2  NE 11.6 0.1 23.6 16  NF -29.1 167.9 -29 168
    NG 4.2 2.6 13.9 14.7  NI 10.7 -87.7 15.1 -83.1  NL 50.7 3.1 53.7 7.3  NO 58 4.7 71.2 31 70.8 -9.1 71.2 -7.9
    NP 26.3 80 30.4 88.2  NR -0.6 166.9 -0.4 167  NU -19.2 -170 -18.9 -169.7
    NZ -52.6 165.8 -50.5 169.3 -47.3 166.4 -34.4 178.6 -44.4 -176.9 -43.7 -176.1  OM 16.6 51.9 26.4 59.9
    PA 7.2 -83.1 9.6 -77.1  PE -18.4 -81.4 0 -68.6  PF -20.9 -151.6 -8.7 -136.2
    PG -11.7 140.8 -1.3 154.3 -6.9 154.5 -5 156  PH 5 116.9 20.9 126.6  PK 23.7 60.8 37.1 77.1
    PL 49 14.1 54.9 24.2  PM 46.7 -56.4 47.1 -56.1  PN -24.5 -128.4 -24.3 -128.2  PR 17.9 -68 18.6 -65.2
    PS 31.2 34.1 31.6 34.6 31.3 34.8 32.6 35.6  PT 32.6 -17.3 32.9 -16.6 36.9 -31.3 39.6 -25 37 -9.5 42.2 -6.2
    PW 3 131.1 7.8 134.7  PY -27.6 -62.7 -19.2 -54.2  QA 24.5 50.7 26.2 51.7  RE -21.4 55.2 -20.8 55.9
    RO 43.6 20.2 48.3 29.8  RS 41.8 18.8 46.2 23  RU 41.1 27.3 81.9 180 54.3 19.6 55.3 22.9 64.2 -180 71.6 -169.7
    RW -2.9 28.8 -1 30.9  SA 16.3 34.6 32.2 55.7  SB -11.9 155.6 -6.6 167  SC -4.8 55.3 -4.5 55.6
    SD 8.6 21.8 22.3 38.7  SE 55.3 11.1 69.1 24.2  SG 1.2 103.6 1.5 104
    SH -16.1 -5.8 -15.9 -5.6 -8 -14.5 -7.8 -14.3  SI 45.4 13.3 46.9 16.6  SJ 74.3 10.5 80.5 33.7
    SK 47.7 16.8 49.6 22.6  SL 6.9 -13.3 10 -10.2  SM 43.8 12.3 44 12.6  SN 12.3 -17.6 16.7 -11.3
    SO -1.7 40.9 12 51.4  SR 1.8 -58.1 6 -53.9  SS 3.4 24.1 12.3 35.3  ST 0 6.4 0.5 6.8 1.5 7.3 1.7 7.5
    SV 13.1 -90.2 14.5 -87.7  SX 18 -63.2 18.1 -63  SY 32.3 35.7 37.3 42.4  SZ -27.4 30.7 -25.7 32.2
    TC 21.7 -72.4 22 -71.6  TD 7.4 13.4 23.5 24  TF -49.8 51.6 -46.3 70.6  TG 6 -0.1 11.2 1.8
    TH 5.6 97.3 20.5 105.7  TJ 36.6 67.3 41.1 75.2  TK -9.4 -172.5 -8.5 -171.1
    TL -9.6 124.9 -8.1 127.3 -9.5 124 -9.1 124.5  TM 35.1 52.4 42.8 66.7  TN 30.2 7.4 37.4 11.6
    TO -21.5 -175.4 -18.5 -173.9  TR 35.8 25.6 42.1 44.9  TT 10 -62 10.9 -60.9 11.1 -60.9 11.4 -60.5
    TW 21.9 118.2 25.3 122  TZ -11.8 29.3 -0.9 40.5  UA 44.3 22.1 52.4 40.2  UG -1.5 29.5 4.3 35
    US 18.9 -160.3 22.3 -154.8 24.5 -124.8 49.4 -66.9 51.3 172.4 53.1 179.8 51.6 -178.2 71.5 -130
    UY -35 -58.5 -30.1 -53.1  UZ 37.1 55.9 45.6 73.2  VA 41.8 12.4 42 12.5  VC 12.6 -61.4 13.4 -61.1
    VE 0.6 -73.4 12.2 -59.8  VG 18.3 -64.7 18.8 -64.2  VI 17.7 -65.1 18.4 -64.5  VN 8.5 102.1 23.4 109.5
    VU -20.3 166.5 -13.7 169.9  WF -14.4 -178.2 -13.2 -176.1  WS -14.1 -172.8 -13.4 -171.4
    YE 12.3 53.3 12.8 54.6 12.6 42.5 19 53.1  YT -13 45 -12.6 45.3  ZA -47 37.5 -46.8 37.9 -34.8 16.4 -22.1 32.9
    ZM -18.1 21.9 -8.1 33.7  ZW -22.5 25.2 -15.6 33.1
"""


class _Box(NamedTuple):
    south: float
    west: float
    north: float
    east: float


def _boxes() -> dict[str, list[_Box]]:
    found: dict[str, list[float]] = {}
    for word in _BOXES.split():
        if word.isalpha():
            degrees = found.setdefault(word, [])
        else:
            degrees.append(float(word))
    return {
        country: [_Box(*degrees[start : start + 4]) for start in range(0, len(degrees), 4)]
        for country, degrees in found.items()
    }


BOXES = _boxes()


@cache
def least_distance(one: str, other: str) -> int:
    """Whole kilometres that lie at least between any two places of two countries (ISO 3166-1 alpha-2).

    0 for neighbours, for a country and itself, and for one whose place is not known. It is less than the true distance:
    by little where the countries are small, by up to half between large ones far from the equator.
    """
    pairs = product(BOXES.get(one, ()), BOXES.get(other, ()))
    return int(min((_least_between(*pair) for pair in pairs), default=0))


def _least_between(one: _Box, other: _Box) -> float:
    """The haversine formula, each term at its least: no two places lie closer in latitude or in longitude than the
    boxes do, and meridians are closest where a box is closest to a pole."""
    latitudes = max(0.0, other.south - one.north, one.south - other.north)
    turns = (-360, 0, 360)
    longitudes = min(max(0.0, other.west + turn - one.east, one.west - other.east - turn) for turn in turns)
    narrowest = math.prod(math.cos(math.radians(max(-box.south, box.north))) for box in (one, other))
    haversine = _half_squared(latitudes) + narrowest * _half_squared(longitudes)
    return 2 * _EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, haversine)))


def _half_squared(degrees: float) -> float:
    return math.sin(math.radians(degrees) / 2) ** 2
