#!/usr/bin/env python3
"""Numbers that an access log in combined log format must give, computed from the file alone.

Usage: access_log.py FILE. Prints JSON:
  {"lines": n, "unreadable": n, "total": numbers, "days": {"2015-05-17": numbers},
   "hours": {"2015-05-17T10": numbers}, "by": {"TYPE" | "PATH" | "REFERRER": {value: numbers}},
   "byDay": {"2015-05-17": {"TYPE" | "PATH" | "REFERRER": {value: numbers}}},
   "agents": {"OS" | "BROWSER": {value: page views}}}
where numbers are {"EVENTS", "PAGEVIEWS", "VISITORS", "SESSIONS", "BOUNCE_RATE", "SESSION_SECONDS"};
the last two are null where there is no session.

A line that is not whole is left out. A page view is a GET answered with 2xx or 304 of something that is
no static file by its extension; nothing else counts. A visitor is an address with a user agent. A session
is a run of a visitor's page views with less than 30 minutes between one and the next; it counts where it
starts, under the values of its first one; of several in one second that is the first in the file. Days and
hours are those of UTC. A path goes without query; a referrer is its host, "(none)" where there is none. Of
systems and browsers only those are counted that an agent names without doubt.
"""
import collections
import datetime
import json
import re
import sys

LINE = re.compile(
    r'(?P<host>\S+) \S+ \S+ \[(?P<time>[^\]]+)\] "(?P<method>[A-Z]+) (?P<target>\S.*?) HTTP/[0-9.]+" '
    r'(?P<status>\d{3}) (?:\d+|-) "(?P<referrer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)"'
)
STATIC = set(
    """apng avif bmp cur gif heic ico jpe jpeg jpg png svg svgz tif tiff webp
    eot otf ttc ttf woff woff2
    cjs css js less map mjs scss wasm xsl xslt
    atom csv json jsonld rss tsv txt webmanifest xml yaml yml
    aac avi flac flv m3u8 m4a m4v mkv mov mp3 mp4 mpeg mpg oga ogg ogv opus swf wav webm wmv
    7z apk bin bz2 deb dmg exe gem gz iso jar msi pyc rar rpm tar tgz war whl xz zip zst
    doc docx eps epub odp ods odt pdf ppt pptx ps rtf tex xls xlsx""".split()
)
AGENTS = {
    "OS": {
        "Windows": lambda agent: "Windows" in agent,
        "iOS": lambda agent: "iPhone" in agent or "iPad" in agent,
        "Android": lambda agent: "Android" in agent,
    },
    "BROWSER": {
        "Firefox": lambda agent: "Firefox/" in agent and "SeaMonkey" not in agent,
        "Googlebot": lambda agent: "Googlebot" in agent,
    },
}
GAP = 30 * 60

View = collections.namedtuple("View", "at visitor path referrer agent")


def host_of(quoted):
    """The host of an absolute URL, in lower case; None for anything else, such as bytes that are no UTF-8."""
    escaped = re.sub(r"\\x([0-9a-fA-F]{2})", lambda match: chr(int(match.group(1), 16)), quoted)
    try:
        referrer = escaped.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return None
    match = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#:]*)", referrer)
    return match.group(1).lower() or None if match else None


def is_page(method, status, path):
    if method != "GET" or not (200 <= status < 300 or status == 304):
        return False
    name = path.rsplit("/", 1)[-1]
    return "." not in name or name.rsplit(".", 1)[-1].lower() not in STATIC


def read(path):
    views = []
    lines = unreadable = 0
    with open(path, encoding="latin-1", newline="\n") as file:
        for line in file:
            lines += 1
            match = LINE.fullmatch(line.rstrip("\r\n"))
            if match is None:
                unreadable += 1
                continue
            target = re.sub(r"^https?://[^/?#]*", "", match["target"], flags=re.IGNORECASE)
            page = re.split(r"[?#]", target, maxsplit=1)[0] or "/"
            if not page.startswith("/") or not is_page(match["method"], int(match["status"]), page):
                continue
            at = datetime.datetime.strptime(match["time"], "%d/%b/%Y:%H:%M:%S %z").timestamp()
            agent = match["agent"]
            visitor = (match["host"], agent)
            views.append(View(int(at), visitor, page, host_of(match["referrer"]) or "(none)", agent))
    return views, lines, unreadable


def sessions_of(views):
    """Lists of page views, by their time; those of one second stay as they are in the file."""
    own = collections.defaultdict(list)
    for view in views:
        own[view.visitor].append(view)
    sessions = []
    for visits in own.values():
        visits.sort(key=lambda view: view.at)
        run = []
        for view in visits:
            if run and view.at - run[-1].at >= GAP:
                sessions.append(run)
                run = []
            run.append(view)
        sessions.append(run)
    return sessions


def numbers(views, sessions):
    count = len(sessions)
    return {
        "EVENTS": len(views),
        "PAGEVIEWS": len(views),
        "VISITORS": len({view.visitor for view in views}),
        "SESSIONS": count,
        "BOUNCE_RATE": sum(len(run) == 1 for run in sessions) / count if count else None,
        "SESSION_SECONDS": sum(run[-1].at - run[0].at for run in sessions) / count if count else None,
    }


def grouped(views, sessions, key):
    parts = collections.defaultdict(lambda: ([], []))
    for view in views:
        parts[key(view)][0].append(view)
    for run in sessions:
        parts[key(run[0])][1].append(run)
    return {name: numbers(*part) for name, part in parts.items()}


def by_dimension(views, sessions):
    return {
        "TYPE": grouped(views, sessions, lambda view: "pageview"),
        "PATH": grouped(views, sessions, lambda view: view.path),
        "REFERRER": grouped(views, sessions, lambda view: view.referrer),
    }


def utc(form):
    return lambda view: datetime.datetime.fromtimestamp(view.at, datetime.timezone.utc).strftime(form)


def main(path):
    views, lines, unreadable = read(path)
    sessions = sessions_of(views)
    day = utc("%Y-%m-%d")
    result = {
        "lines": lines,
        "unreadable": unreadable,
        "total": numbers(views, sessions),
        "days": grouped(views, sessions, day),
        "hours": grouped(views, sessions, utc("%Y-%m-%dT%H")),
        "by": by_dimension(views, sessions),
        "byDay": {
            one: by_dimension(
                [view for view in views if day(view) == one],
                [run for run in sessions if day(run[0]) == one],
            )
            for one in sorted({day(view) for view in views})
        },
        "agents": {
            name: {value: sum(holds(view.agent) for view in views) for value, holds in values.items()}
            for name, values in AGENTS.items()
        },
    }
    json.dump(result, sys.stdout, sort_keys=True)
    print()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
