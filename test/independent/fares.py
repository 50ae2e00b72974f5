#!/usr/bin/env python3
"""Payments that the rows of payments.csv must give when fares alone are imported, computed from the file alone.

Usage: fares.py FILE. Prints JSON:
  {"rows": n, "events": {id: {"merchantId": …, "at": ms, "amount": cents, "paymentMethod": … or null}},
   "unreadable": {line: reason}}

Rows without a company are left out. The id is "payments.csv:" and the byte offset of the row. A merchant id
is the company with "_" for each space; a company with any other character than A-Z a-z 0-9 . - and spaces
gets every run of others as one "_", and "-" with the first ten digits of its SHA-256. The file has no quotes.
"""
import decimal
import hashlib
import json
import re
import sys


def merchant_id(company):
    if re.fullmatch(r"[A-Za-z0-9.-][A-Za-z0-9. -]{0,63}", company):
        return company.replace(" ", "_")
    readable = re.sub(r"[^A-Za-z0-9.-]+", "_", company).lstrip("_")[:53].rstrip("_")
    return readable + "-" + hashlib.sha256(company.encode("utf-8")).hexdigest()[:10]


def main(path):
    content = open(path, "rb").read()
    assert b'"' not in content and b"\r" not in content
    lines = content.rstrip(b"\n").split(b"\n")
    names = lines[0].decode("ascii").split(",")
    offset = len(lines[0]) + 1
    events = {}
    unreadable = {}
    companies = {}
    for number, line in enumerate(lines[1:], start=2):
        row = dict(zip(names, line.decode("utf-8").split(",")))
        company = row["company"]
        if company == "":
            unreadable[number] = "merchantId is empty"
        else:
            name = merchant_id(company)
            assert companies.setdefault(name, company) == company
            cents = decimal.Decimal(row["fare"]) * 100
            assert cents == int(cents)
            events["payments.csv:%d" % offset] = {
                "merchantId": name,
                "at": int(row["trip_start_timestamp"]) * 1000,
                "amount": int(cents),
                "paymentMethod": row["payment_type"] or None,
            }
        offset += len(line) + 1
    json.dump({"rows": len(lines) - 1, "events": events, "unreadable": unreadable}, sys.stdout, sort_keys=True)
    print()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
