"""Dates: as mails have them, and in git's raw form (seconds since 1970, then the zone: ``1700000000 +0100``)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MAIL = re.compile(
    rf"(?:{'|'.join(_DAYS)}), (\d{{1,2}}) ({'|'.join(_MONTHS)}) (\d{{4}}) "
    r"(\d\d):(\d\d):(\d\d) ([+-])(\d\d)([0-5]\d)"
)
_RAW = re.compile(r"(\d{1,11}) ([+-])(\d\d)([0-5]\d)")
_MAX_ZONE = 100 * 60 * 60  # seconds: git has two digits for hours


def read(text: str) -> str | None:
    """Return a mail's date in git's raw form, None if it cannot be read or git could not write it."""
    seconds, zone = _usual(text) or _other(text)
    if seconds < 0 or abs(zone) >= _MAX_ZONE:
        return None
    sign, minutes = ("-", -zone // 60) if zone < 0 else ("+", zone // 60)
    return f"{seconds} {sign}{minutes // 60:02}{minutes % 60:02}"


def write(raw: str) -> str | None:
    """Return a date as git writes it into mails, None if no calendar here has it."""
    match = _RAW.fullmatch(raw)
    if match is None:
        return None
    minutes = int(match[3]) * 60 + int(match[4])
    if minutes >= 24 * 60:
        return None
    zone = timezone(timedelta(minutes=-minutes if match[2] == "-" else minutes))
    try:
        at = datetime.fromtimestamp(int(match[1]), UTC).astimezone(zone)
    except (OverflowError, ValueError, OSError):
        return None
    # no strftime for words: it speaks the machine's language
    day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
    return f"{day}, {at.day} {month} {at.year} {at:%H:%M:%S} {match[2]}{match[3]}{match[4]}"


def _usual(text: str) -> tuple[int, int] | None:
    """Read a date as git writes it into mails; None for another one, or one that no calendar has."""
    match = _MAIL.fullmatch(text)
    if match is None:
        return None
    day, year, hour, minute, second = (int(match[n]) for n in (1, 3, 4, 5, 6))
    zone = (int(match[8]) * 60 + int(match[9])) * (-60 if match[7] == "-" else 60)
    try:
        at = datetime(year, _MONTHS.index(match[2]) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return int(at.timestamp()) - zone, zone


def _other(text: str) -> tuple[int, int]:
    """Read a date as mail programs write it: seconds since 1970 (negative if it cannot be read), and zone."""
    import email.utils  # noqa: PLC0415 - it needs sockets for its other half, and most dates are git's

    try:
        parsed = email.utils.parsedate_tz(text)
        seconds = email.utils.mktime_tz(parsed) if parsed else -1
    except (ValueError, OverflowError, IndexError, TypeError):  # what its arithmetic makes of odd numbers
        return -1, 0
    return seconds, (parsed[9] or 0) if parsed else 0
