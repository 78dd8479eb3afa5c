"""Profiles: named sets of dialogs, with or without a value per membership, and how many are in them.

Counts are kept as they change, so asking for one is a look into a dict. A profile declared with /s counts in a key-value store
that other servers share (cachedb_url): one key per value, one for the whole profile; which dialogs are in it is known here only
of one's own. OpenSIPS' key names are used, so its servers and this one can share a store.
"""

from __future__ import annotations

import base64
import inspect
import re
from collections.abc import Awaitable
from typing import Any

from engine.db.cachedb import CacheStore
from engine.errors import ConfigError, ScriptError
from engine.module import modparam
from modules.dialog.cell import Dialog
from modules.dialog.sending import DialogSending

_NAME = re.compile(r"[A-Za-z0-9_-]+")


class Profile:
    """One profile."""

    __slots__ = ("name", "has_value", "shared", "size", "counts")

    def __init__(self, name: str, has_value: bool, shared: bool) -> None:
        self.name = name
        self.has_value = has_value
        self.shared = shared
        """Counted in the store, not here."""
        self.size = 0
        self.counts: dict[str, int] = {}
        """Value -> dialogs."""

    @property
    def full_name(self) -> str:
        """As it stands in the database."""
        return f"{self.name}/s" if self.shared else self.name


def cache_id(url: str) -> str:
    """Id of the store a cachedb_url means: "redis:group1://..." is "redis:group1", "local://" is "local"."""
    scheme, mark, _ = url.partition("://")
    if not mark or not scheme:
        raise ValueError(f"{url!r} is no URL of a key-value store")
    return scheme.rstrip(":")


class DialogProfiles(DialogSending):
    """Membership and counting."""

    profiles_with_value = modparam(str, "", help="names separated by ; (/s behind a name: shared through cachedb_url)")
    profiles_no_value = modparam(str, "", help="the same for profiles without values")
    cachedb_url = modparam(str, "", help="key-value store of the shared profiles, e.g. redis:group1://host:6379/")
    profile_value_prefix = modparam(str, "dlg_val_", help="in front of keys of profiles with values")
    profile_no_value_prefix = modparam(str, "dlg_noval_", help="in front of keys of profiles without")
    profile_size_prefix = modparam(str, "dlg_size_", help="in front of keys with the size of profiles with values")
    profile_timeout = modparam(int, 86400, min=1, help="seconds the store keeps them")

    def mod_init(self) -> None:
        super().mod_init()
        self._store: CacheStore | None = None
        self._store_id = ""
        if self.cachedb_url:
            try:
                self._store_id = cache_id(self.cachedb_url)
            except ValueError as error:
                raise ConfigError(f"dialog: cachedb_url: {error}") from None
        self.profiles: dict[str, Profile] = {}
        """By full name, in the order of the script."""
        self.define_profiles(self.profiles_no_value, False)
        self.define_profiles(self.profiles_with_value, True)

    def define_profiles(self, text: str, has_value: bool) -> None:
        """Make the profiles of a list known. ConfigError: a bad name, one that is there."""
        for item in text.split(";"):
            name, slash, mark = (part.strip() for part in item.partition("/"))
            if not name:
                continue
            if not _NAME.fullmatch(name):
                raise ConfigError(f"dialog: bad profile name <{name}>", hint="letters, digits, _ and - are allowed")
            shared = False
            if slash:
                if mark not in ("b", "s"):
                    raise ConfigError(f"dialog: profile <{name}>: /{mark} is unknown", hint="/s shares it through cachedb_url")
                shared = mark == "s" and bool(self.cachedb_url)
                if not shared:
                    missing = "cachedb_url" if mark == "s" else "cluster (/s and cachedb_url share it, too)"
                    self.log.warning("profile %s is to be shared, but there is no %s: it counts here only", name, missing)
            made = Profile(name, has_value, shared)
            if made.full_name in self.profiles:
                raise ConfigError(f"dialog: profile <{name}> is defined twice")
            self.profiles[made.full_name] = made

    def profile(self, name: str) -> Profile | None:
        """By name; "name/s" is the shared one."""
        found = self.profiles.get(name)
        if found is None and "/" in name:
            base, _, mark = name.partition("/")
            found = self.profiles.get(f"{base.strip()}/{mark.strip()}")
        return found

    # ---- the store ----

    def _cache(self) -> CacheStore:
        store = self._store
        if store is None:
            store = self._store = self.server.caches.find(self._store_id)
        return store

    def _result(self, result: Any) -> Any:
        """What the store says, waiting for it when it takes its time. In the run of a message others go on meanwhile; with no run
        that could wait the result comes later and is not known here."""
        if not inspect.isawaitable(result):
            return result
        if self.server.workers.can_wait():
            return self.server.workers.wait(result)
        self.server.spawn(_finish(result), "dialog profile")
        return None

    def _keys(self, profile: Profile, value: str) -> tuple[str, ...]:
        """The counters a membership is in."""
        if not profile.has_value:
            return (self.profile_no_value_prefix + profile.name,)
        coded = base64.b64encode(value.encode("latin-1")).decode()
        return (f"{self.profile_value_prefix}{profile.name}_{coded}", self.profile_size_prefix + profile.name)

    def _add(self, profile: Profile, value: str, step: int) -> bool:
        """Count in or out; False: the store does not work."""
        if not profile.shared:
            profile.size += step
            if profile.has_value:
                count = profile.counts.get(value, 0) + step
                if count > 0:
                    profile.counts[value] = count
                else:
                    profile.counts.pop(value, None)
            return True
        try:
            for key in self._keys(profile, value):
                self._result(self._cache().add(key, step, self.profile_timeout))
        except ScriptError as error:
            self.log.error("profile %s cannot be counted in the store: %s", profile.name, error)
            return False
        return True

    def profile_size(self, profile: Profile, value: str | None) -> int:
        """How many dialogs (memberships) are in it, with that value when it has values."""
        wanted = value if profile.has_value else None
        if not profile.shared:
            return profile.size if wanted is None else profile.counts.get(wanted, 0)
        if not profile.has_value or wanted is not None:
            key = self._keys(profile, wanted or "")[0]
        else:
            key = self.profile_size_prefix + profile.name
        try:
            return self._result(self._cache().counter(key)) or 0
        except ScriptError as error:
            self.log.error("profile %s cannot be read from the store: %s", profile.name, error)
            return 0

    # ---- membership ----

    def join(self, dialog: Dialog, profile: Profile, value: str) -> bool:
        """Put a dialog into a profile; again and again if you like. False: the store does not work."""
        if not self._add(profile, value, 1):
            return False
        if dialog.links is None:
            dialog.links = []
        dialog.links.append((profile, value))
        return True

    def part(self, dialog: Dialog, profile: Profile, value: str | None) -> bool:
        """Take a dialog out of a profile once (with that value; None with any: all of them). False when it is not in."""
        links = dialog.links
        if not links:
            return False
        gone: list[tuple[Profile, str]] = []
        for link in reversed(links):
            if link[0] is profile and (value is None or not profile.has_value or link[1] == value):
                gone.append(link)
                if not profile.has_value or value is not None:
                    break
        for link in gone:
            for at in range(len(links) - 1, -1, -1):
                if links[at] is link:
                    del links[at]
                    break
            self._add(profile, link[1], -1)
        if not links:
            dialog.links = None
        return bool(gone)

    def is_in(self, dialog: Dialog, profile: Profile, value: str | None) -> bool:
        """Whether a dialog is in a profile, with that value when it has values."""
        wanted = value if profile.has_value else None
        for linked, own in dialog.links or ():
            if linked is profile and (wanted is None or own == wanted):
                return True
        return False

    def leave_profiles(self, dialog: Dialog) -> None:  # type: ignore[override]
        """Out of all of them: the call is over."""
        links, dialog.links = dialog.links, None
        for profile, value in links or ():
            self._add(profile, value, -1)

    # ---- for other modules ----

    def in_profile(self, dialog: Dialog, name: str, value: str | None = None) -> bool:
        """is_in_profile()."""
        profile = self.profile(name)
        return profile is not None and self.is_in(dialog, profile, value)

    def set_profile(self, dialog: Dialog, name: str, value: str | None = None) -> bool:
        """set_dlg_profile()."""
        profile = self.profile(name)
        if profile is None or (profile.has_value and value is None):
            return False
        return self.join(dialog, profile, value or "" if profile.has_value else "")


async def _finish(result: Awaitable[Any]) -> None:
    """Wait for what nobody else waits for."""
    await result
