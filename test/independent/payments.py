#!/usr/bin/env python3
"""Numbers that the rows of payments.csv must give, computed from the file alone.

Usage: payments.py FILE [COLUMN …]. Prints JSON:
  {"payments": n, "merchants": {id: {"company": …, "payments": n, "volume": cents,
    "byDay": {"2014-05-16": cents}, "byMethod": {"Cash": cents}, "total": numbers,
    "days": {"2014-05-16": numbers}, "months": {"2014-05": numbers},
    "by": {"TYPE" | "PAYMENT_METHOD" | "CURRENCY" | "PATH" | "AREA": {value: numbers}}}}}
where numbers are {"EVENTS", "PAYMENTS", "GROSS_VOLUME", "NET_VOLUME", "AVERAGE_ORDER_VALUE",
"POINTS_EARNED"}, money in cents.

Only rows that name a company count. The amount is the sum of the columns, fare and tips when none is
named; each is turned into cents by itself, half a cent upwards, and an empty field is 0. Days are those of
UTC; a row's time is trip_start_timestamp, in seconds. A payment type that is empty is "(none)", and so is a
community area. Every row is a payment in USD. Its seconds stand in for points.
"""
import collections
import csv
import datetime
import decimal
import json
import re
import sys


def cents(text):
    if text.strip() == "":
        return 0
    return int((decimal.Decimal(text) * 100).quantize(decimal.Decimal(1), rounding=decimal.ROUND_HALF_UP))


def merchant_id(company):
    return re.sub(r"[^a-z0-9]+", "-", company.lower()).strip("-")[:64]


Row = collections.namedtuple("Row", "instant method amount points area")


def numbers(rows):
    volume = sum(row.amount for row in rows)
    return {
        "EVENTS": len(rows),
        "PAYMENTS": len(rows),
        "GROSS_VOLUME": volume,
        "NET_VOLUME": volume,
        "AVERAGE_ORDER_VALUE": volume / len(rows),
        "POINTS_EARNED": sum(row.points for row in rows),
    }


def grouped(rows, key):
    parts = collections.defaultdict(list)
    for row in rows:
        parts[key(row)].append(row)
    return {name: numbers(part) for name, part in parts.items()}


def main(path, columns):
    merchants = {}
    count = 0
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            company = row["company"]
            if company == "":
                continue
            name = merchant_id(company)
            merchant = merchants.setdefault(
                name, {"company": company, "payments": 0, "volume": 0, "byDay": {}, "byMethod": {}, "rows": []}
            )
            if merchant["company"] != company:
                sys.exit(f'"{company}" and "{merchant["company"]}" would share the merchant id {name}')
            amount = sum(cents(row[column]) for column in columns)
            instant = datetime.datetime.fromtimestamp(int(row["trip_start_timestamp"]), datetime.timezone.utc)
            day = instant.strftime("%Y-%m-%d")
            method = row["payment_type"] or "(none)"
            merchant["payments"] += 1
            merchant["volume"] += amount
            area = row["pickup_community_area"] or "(none)"
            merchant["rows"].append(Row(instant, method, amount, int(row["trip_seconds"] or 0), area))
            merchant["byDay"][day] = merchant["byDay"].get(day, 0) + amount
            merchant["byMethod"][method] = merchant["byMethod"].get(method, 0) + amount
            count += 1
    for merchant in merchants.values():
        rows = merchant.pop("rows")
        merchant["total"] = numbers(rows)
        merchant["days"] = grouped(rows, lambda row: row.instant.strftime("%Y-%m-%d"))
        merchant["months"] = grouped(rows, lambda row: row.instant.strftime("%Y-%m"))
        merchant["by"] = {
            "TYPE": grouped(rows, lambda row: "payment"),
            "PAYMENT_METHOD": grouped(rows, lambda row: row.method),
            "CURRENCY": grouped(rows, lambda row: "USD"),
            "PATH": grouped(rows, lambda row: "(none)"),
            "AREA": grouped(rows, lambda row: row.area),
        }
    json.dump({"payments": count, "merchants": merchants}, sys.stdout, sort_keys=True)
    print()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:] or ["fare", "tips"])
