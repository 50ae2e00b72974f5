#!/usr/bin/env python3
"""The metrics of DESIGN.md, computed from what was sent: plain definitions, no code shared with Tidemark.

Usage: metrics.py < events.ndjson

Each line is one of, in the order in which they were recorded:
  {"settings": {"merchantId": …, "timezone": …}}       the merchant's zone from here on
  {"merchantId": …, "type": …, "at": epoch ms, "path"?, "paymentMethod"?, "amount"?, "currency"?}

Prints JSON: {merchant: {zone: {"DAY" | "HOUR": {"": {start: numbers}, "TYPE" | "PATH" | "PAYMENT_METHOD":
{start: {value: numbers}}}}}}, where start is the bucket's first instant in epoch ms and numbers are
{"EVENTS": n, "PAGEVIEWS": n, "PAYMENTS": n, "GROSS_VOLUME": {currency: sum}}. Sums are strings, as they
may be past 2^53.
"""
import datetime
import json
import sys
import zoneinfo

UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
SECOND = datetime.timedelta(seconds=1)


def ms_of(instant):
    return (instant - EPOCH) // SECOND * 1000


def instant_of(at):
    return EPOCH + datetime.timedelta(milliseconds=at)


def day_start(at, zone):
    """The first instant at which clocks of the zone show the date; found by going through the minutes."""
    local = instant_of(at).astimezone(zone)
    guess = datetime.datetime(local.year, local.month, local.day, tzinfo=zone).astimezone(UTC)
    guess -= datetime.timedelta(hours=3)
    while guess.astimezone(zone).date() < local.date():
        guess += datetime.timedelta(minutes=1)
    return ms_of(guess)


def hour_start(at, zone):
    """The first instant of the unbroken run of time in which clocks of the zone show this hour."""
    instant = instant_of(at)
    local = instant.astimezone(zone)
    start = instant.replace(second=0, microsecond=0)
    while True:
        before = start - datetime.timedelta(minutes=1)
        shown = before.astimezone(zone)
        if (shown.date(), shown.hour, shown.utcoffset()) != (local.date(), local.hour, local.utcoffset()):
            return ms_of(start)
        start = before


def empty():
    return {"EVENTS": 0, "PAGEVIEWS": 0, "PAYMENTS": 0, "GROSS_VOLUME": {}}


def count(numbers, event):
    numbers["EVENTS"] += 1
    if event["type"] == "pageview":
        numbers["PAGEVIEWS"] += 1
    if event["type"] == "payment":
        numbers["PAYMENTS"] += 1
        if "amount" in event:
            volume = numbers["GROSS_VOLUME"]
            volume[event["currency"]] = volume.get(event["currency"], 0) + event["amount"]


def main():
    zones = {}
    starts = {}
    result = {}
    for line in sys.stdin:
        event = json.loads(line)
        if "settings" in event:
            zones[event["settings"]["merchantId"]] = event["settings"]["timezone"]
            continue
        if event["type"] == "request":
            continue
        merchant = event["merchantId"]
        name = zones.get(merchant, "UTC")
        zone = zoneinfo.ZoneInfo(name)
        buckets = result.setdefault(merchant, {}).setdefault(name, {})
        for interval, start_of in (("DAY", day_start), ("HOUR", hour_start)):
            # The start is the same for a whole minute, in every zone with offsets of whole minutes.
            memo = (interval, name, event["at"] // 60000)
            if memo not in starts:
                starts[memo] = start_of(event["at"], zone)
            start = str(starts[memo])
            kinds = buckets.setdefault(interval, {})
            count(kinds.setdefault("", {}).setdefault(start, empty()), event)
            for dimension, value in (
                ("TYPE", event["type"]),
                ("PATH", event.get("path", "(none)")),
                ("PAYMENT_METHOD", event.get("paymentMethod", "(none)")),
            ):
                values = kinds.setdefault(dimension, {}).setdefault(start, {})
                count(values.setdefault(value, empty()), event)
    json.dump(stringify(result), sys.stdout, sort_keys=True)
    print()


def stringify(value):
    if isinstance(value, dict):
        if "GROSS_VOLUME" in value:
            value["GROSS_VOLUME"] = {k: str(v) for k, v in value["GROSS_VOLUME"].items()}
        for inner in value.values():
            stringify(inner)
    return value


if __name__ == "__main__":
    main()
