"""ISO 4217: the currencies, their minor units, and how long a withdrawn one is accepted. Standard library only.

Sources: ISO 4217 list one (current codes and minor units) and list three (month of withdrawal), as of 2026-02, in the
edition of github.com/datasets/currency-codes; Unicode CLDR 47 for the decimals of withdrawn currencies, which list
three lacks. Metals, testing codes and "no currency" (XAU, XTS, XXX and the like) are left out, because no account is
kept in them.
"""

from __future__ import annotations

from datetime import date, timedelta

# List one, by minor units.
_CURRENT = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW
          CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF
          IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK
          MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP
          SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG
          YER ZAR ZMW ZWG""",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
# List three: the month of withdrawal, then the codes. If the list gives a span, its end.
_WITHDRAWN = """
    1979-12 LAJ  1981-12 ESA GWE ILP MZE RHD  1983-06 MTP  1984-11 MLF  1985-05 LSM  1985-07 ARP  1986-02 GNS PES
    1986-03 BRB  1986-06 GQE  1987-02 BOP  1987-05 UGS  1989-02 BRC  1989-12 ALK GNE MVQ UYN VNC ZWC  1990-01 YUD
    1990-02 BUK  1990-03 BEC BEL BRN LUC LUL  1990-09 DDM  1990-10 NIC  1990-12 ARY BGJ BGK CSJ ILR ISJ PEH ROK SUR
    UGW  1991-03 AOK  1991-07 PEI  1991-09 YDD  1992-01 ARA  1993-01 MXP  1993-03 BRE CSK UYP  1993-07 LTT
    1994-02 ZRZ  1994-07 BRR  1994-12 ESB LVR  1995-01 HRD  1995-03 ZAL  1995-10 GEK  1995-11 YUN  1996-09 UAK
    1997-01 PLZ  1997-05 GWP  1998-06 SDP  1998-07 BAD  1999-01 XEU  1999-06 ZRN  1999-11 XRE  2000-02 AON AOR
    2000-09 ECS ECV  2001-01 BYB  2001-04 TJR  2002-03 ATS BEF DEM ESP FIM FRF GRD IEP ITL LUF NLG PTE  2002-11 TPE
    2003-01 AFA  2003-07 ADP YUM  2003-11 BGL  2003-12 SRG  2004-01 RUR  2004-11 CHC  2004-12 MGF  2005-06 ROL
    2005-10 AYM  2005-12 AZM TRL  2006-06 MZM  2006-09 ZWN  2006-10 CSD XFO  2007-01 SIT  2007-06 GHP  2007-07 SDD
    2008-01 CYP GHC MTL VEB  2008-08 ZWD  2009-01 SKK TMM  2009-06 ZWR  2011-01 EEK  2012-12 ZMK  2013-11 XFU
    2014-01 LVL  2014-03 USS  2014-12 LTL  2017-01 BYR  2017-12 MRO STD  2018-08 VEF  2021-06 CUC  2023-01 HRK
    2023-12 SLL  2024-09 ZWL  2025-03 ANG  2026-01 BGN
"""
# CLDR: no decimals; all others have two.
_WITHDRAWN_WITHOUT_DECIMALS = frozenset("ADP BYR ESP ITL LUF MGF MRO SLL STD TMM TRL ZMK ZWD".split())


def _last_event_dates() -> dict[str, date]:
    """Accounts are settled and histories sent after a currency's end: accepted for a year beyond its last month."""
    found: dict[str, date] = {}
    last = date.min
    for word in _WITHDRAWN.split():
        if word[0].isdigit():
            year, month = map(int, word.split("-"))
            last = date(year + 1 + month // 12, month % 12 + 1, 1) - timedelta(days=1)
        else:
            found[word] = last
    return found


# Withdrawn currency -> the last event date (UTC) on which it is accepted.
LAST_EVENT_DATES = _last_event_dates()

CURRENCY_MINOR_UNITS: dict[str, int] = {
    code: minor_units for minor_units, codes in _CURRENT.items() for code in codes.split()
} | {code: 0 if code in _WITHDRAWN_WITHOUT_DECIMALS else 2 for code in LAST_EVENT_DATES}
