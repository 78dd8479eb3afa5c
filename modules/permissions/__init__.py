"""permissions: who may call whom, register what, and come from where.

    if (!check_source_address(1, $avp(info))) { send_reply(403, "Forbidden"); exit; }
    if (!allow_routing()) { send_reply(403, "Forbidden"); exit; }

Manual: OpenSIPS 3.6, module permissions. Addresses come from a table, by group and partition, and are held in memory; rules about
URIs come from files (modules/permissions/rules.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

from engine.db.interface import check_version, find_driver
from engine.errors import ConfigError, DbError, MiError, SipParseError
from engine.module import (
    BRANCH, EVENT, FAILURE, LOCAL, REQUEST, STARTUP, TIMER, Context, Module, ScriptError, Var, function, mi_command,
    modparam,
)
from engine.script import ruri
from engine.sip.headers import STAR
from engine.sip.uri import parse_uri
from engine.transport.address import one_form
from modules.permissions.addresses import ANY, AddressTable, Entry, Point, read_address, read_protocol, read_row
from modules.permissions.rules import Rules, allows, read_rules
from modules.shared.output import put

TABLE_VERSION: Final = 5
DEFAULT: Final = "default"
CALL_ROUTES: Final = REQUEST | FAILURE | LOCAL
ADDRESS_ROUTES: Final = CALL_ROUTES | BRANCH | STARTUP | TIMER | EVENT
NO_GROUP: Final = -2
MAX_FILES: Final = 1000
"""Files kept in memory; names made from messages must not fill it."""


class Definition(NamedTuple):
    """A `partition` parameter; "" where the general parameters count."""

    name: str
    db_url: str
    table_name: str


def parse_partition(text: str) -> Definition:
    """"inbound: db_url = ...; table_name = address", or "inbound". Raises ValueError."""
    name, _, rest = (piece.strip() for piece in text.partition(":"))
    if not name:
        raise ValueError(f"a partition without a name in {text!r}")
    found = {"db_url": "", "table_name": ""}
    for piece in rest.split(";"):
        key, equals, value = (part.strip() for part in piece.partition("="))
        if not key and not equals:
            continue
        if key not in found:
            raise ValueError(f"unknown property {key!r} of partition {name}, there are db_url and table_name")
        found[key] = value
    return Definition(name, found["db_url"], found["table_name"])


class Partition:
    """One table of addresses."""

    __slots__ = ("name", "url", "table", "addresses")

    def __init__(self, name: str, url: str, table: str) -> None:
        self.name = name
        self.url = url
        self.table = table
        self.addresses = AddressTable()


class Files(NamedTuple):
    """The rules of an allow file and a deny file."""

    allow: Rules
    deny: Rules

    @property
    def empty(self) -> bool:
        """No rules at all: everything is allowed."""
        return not self.allow and not self.deny

    def permits(self, left: str, right: str) -> bool:
        """Whether a pair is allowed: by the allow file, or because the deny file says nothing about it."""
        return allows(self.allow, left, right) or not allows(self.deny, left, right)


def plain_uri(text: str) -> str:
    """sip:user@host of a URI, sip:host without a user: what the rules are about. Raises ScriptError."""
    try:
        uri = parse_uri(text)
    except SipParseError:
        raise ScriptError(f"failed to parse the URI <{text}>") from None
    return f"sip:{uri.user}@{uri.host}" if uri.user else f"sip:{uri.host}"


class Permissions(Module):
    """The module."""

    default_allow_file = modparam(str, "permissions.allow", help="allow file of allow_routing() without a name")
    default_deny_file = modparam(str, "permissions.deny", help="deny file of allow_routing() without a name")
    check_all_branches = modparam(int, 1, min=0, max=1, help="0: allow_routing() looks at the Request-URI only")
    allow_suffix = modparam(str, ".allow", help="what follows the name given to a function to make that of the allow file")
    deny_suffix = modparam(str, ".deny", help="the same for the deny file")
    db_url = modparam(str, "", help="database of the partition `default` and of those that name none")
    address_table = modparam(str, "address", help="table of the partition `default` and of those that name none")
    partition = modparam(str, None, multi=True, parse=parse_partition, help="name: db_url=...; table_name=...")
    grp_col = modparam(str, "grp", help="column of the group")
    ip_col = modparam(str, "ip", help="column of the IP address")
    mask_col = modparam(str, "mask", help="column of the length of the network's prefix")
    port_col = modparam(str, "port", help="column of the port, 0 any")
    proto_col = modparam(str, "proto", help="column of the protocol: any, udp, tcp ...; none never matches")
    pattern_col = modparam(str, "pattern", help="column of the glob for a text of the script")
    info_col = modparam(str, "context_info", help="column of the text a match gives to the script")

    def mod_init(self) -> None:
        self._files: dict[Path, Rules] = {}
        self._default_files = Files(self._load(self.default_allow_file), self._load(self.default_deny_file))
        self.partitions: dict[str, Partition] = {}
        if self.db_url and all(definition.name != DEFAULT for definition in self.partition):
            self._add(DEFAULT, self.db_url, self.address_table)
        for definition in self.partition:
            url = definition.db_url or self.db_url or self.server.settings.db_default_url
            if not url:
                raise ConfigError(f"permissions: partition {definition.name!r} has no 'db_url'")
            self._add(definition.name, url, definition.table_name or self.address_table)

    def _add(self, name: str, url: str, table: str) -> None:
        find_driver(self.server.registry, url)
        self.partitions[name] = Partition(name, url, table)

    async def child_init(self) -> None:
        for partition in self.partitions.values():
            try:
                await self._load_addresses(partition, True)
            except DbError as error:
                raise ConfigError(f"permissions: partition {partition.name}: {error}") from None

    # ---- the table ----

    async def _load_addresses(self, partition: Partition, first: bool = False) -> None:
        """Read a partition's table; rows that are no good are logged and left out. Raises DbError."""
        driver, url = find_driver(self.server.registry, partition.url)
        connection = await driver.connect(url)
        try:
            if first:
                await check_version(connection, partition.table, TABLE_VERSION)
            rows = await connection.query(partition.table, [
                self.ip_col, self.grp_col, self.mask_col, self.port_col, self.proto_col, self.pattern_col, self.info_col,
            ])
        finally:
            await connection.close()
        made = AddressTable()
        for number, row in enumerate(rows):
            try:
                entry = read_row(row)
            except ValueError as error:
                self.log.error("row %d of table %s is left out: %s", number, partition.table, error)
                continue
            if entry is not None:
                made.add(entry)
        partition.addresses = made

    def partition_of(self, name: str) -> Partition:
        """Fixup: a partition by name."""
        found = self.partitions.get(name)
        if found is None:
            raise ConfigError(f"invoked partition <{name}> not defined")
        return found

    def _table(self, partition: Partition | None) -> AddressTable:
        """The addresses of a partition, of the default one when none was named. Raises ScriptError: there is none."""
        found = partition if partition is not None else self.partitions.get(DEFAULT)
        if found is None:
            raise ScriptError(f"invoked partition <{DEFAULT}> not defined")
        return found.addresses

    def _match(
        self, ctx: Context, partition: Partition | None, group: int, point: Point, port: int, proto: str,
        info: Var | None, pattern: str | None,
    ) -> int:
        table = self._table(partition)
        if group and group not in table.groups:
            return NO_GROUP
        found = table.find(group, point, port, proto, pattern)
        if found is None:
            return -1
        put(ctx, info, found.info)
        return 1

    @function(ADDRESS_ROUTES, proto=read_protocol, partition="partition_of", writable=("context_info",))
    def check_address(
        self, ctx: Context, group_id: int, ip: str, port: int, proto: str, context_info: Var | None = None,
        pattern: str | None = None, partition: Annotated[Partition, "str"] | None = None,
    ) -> int:
        """Whether an address is in a group (0: in any) of the table. port 0 and proto "any" match every row; pattern is the text
        for the rows' globs; context_info gets that of the row. 1; -1: it is not, or ip is no address; -2: no such group."""
        try:
            point = read_address(ip)
        except ValueError:
            raise ScriptError(f"invalid ip address <{ip}>") from None
        return self._match(ctx, partition, group_id, point, port, proto, context_info, pattern)

    @function(ADDRESS_ROUTES, partition="partition_of", writable=("context_info",))
    def check_source_address(
        self, ctx: Context, group_id: int, context_info: Var | None = None, pattern: str | None = None,
        partition: Annotated[Partition, "str"] | None = None,
    ) -> int:
        """check_address() for where the message came from."""
        return self._match(
            ctx, partition, group_id, read_address(ctx.src_ip), ctx.src_port, ctx.proto, context_info, pattern)

    @function(REQUEST | FAILURE | LOCAL | BRANCH, partition="partition_of", writable=("var",))
    def get_source_group(self, ctx: Context, var: Var, partition: Annotated[Partition, "str"] | None = None) -> int:
        """The group, the smallest number of several, in which the source's address and port are, whatever protocol and pattern
        the row names. 1; -1: in none."""
        table = self._table(partition)
        found = table.find(0, read_address(ctx.src_ip), ctx.src_port, ANY, None)
        if found is None:
            return -1
        put(ctx, var, found.group)
        return 1

    # ---- files ----

    def _path(self, name: str) -> Path:
        """A file by name; without a folder it lies beside the script."""
        return Path(name) if "/" in name else Path(self.server.cfg_path).resolve().parent / name

    def _load(self, name: str) -> Rules:
        """The rules of a file, read once. A file that is not there has none. Reading holds up the server: names of functions are
        mostly literals, whose files are read while it starts."""
        path = self._path(name)
        known = self._files.get(path)
        if known is None:
            found = read_rules(path, lambda line, text: self.log.error("%s:%d: %s", path, line, text))
            if found is None:
                self.log.info("file (%s) not found => empty rule set", path)
            known = found or ()
            if len(self._files) < MAX_FILES:
                self._files[path] = known
        return known

    def files_of(self, basename: str) -> Files:
        """Fixup: the rules of NAME.allow and NAME.deny."""
        return Files(self._load(basename + self.allow_suffix), self._load(basename + self.deny_suffix))

    @staticmethod
    def _address_of(ctx: Context, header: str) -> str:
        """The URI of From or To. Raises ScriptError."""
        found = ctx.msg.from_ if header == "From" else ctx.msg.to
        if found is None:
            raise ScriptError(f"{header} header field not found")
        return found.uri

    @function(CALL_ROUTES, basename="files_of")
    def allow_routing(self, ctx: Context, basename: Annotated[Files, "str"] | None = None) -> bool:
        """Whether From may go to the Request-URI and to all branches by the rules of basename.allow and basename.deny (the
        default files without a name): all have to be allowed, or at least not denied."""
        files = basename or self._default_files
        if files.empty:
            return True
        caller = self._address_of(ctx, "From")
        wanted = [ruri.current(ctx).text]
        if self.check_all_branches:
            wanted += [branch.uri for branch in ctx.branches or ()]
        return all(files.permits(caller, plain_uri(uri)) for uri in wanted)

    @function(CALL_ROUTES, basename="files_of")
    def allow_register(self, ctx: Context, basename: Annotated[Files, "str"]) -> bool:
        """Whether To may register its contacts by the rules of basename.allow and basename.deny. A REGISTER without contacts, or
        with the contact *, is allowed."""
        if basename.empty:
            return True
        owner = self._address_of(ctx, "To")
        try:
            contacts = ctx.msg.contacts
        except SipParseError:
            raise ScriptError("failed to parse the Contact header") from None
        return all(contact is STAR or basename.permits(owner, plain_uri(contact.uri)) for contact in contacts)

    @function(CALL_ROUTES | BRANCH | STARTUP | TIMER | EVENT, basename="files_of")
    def allow_uri(self, ctx: Context, basename: Annotated[Files, "str"], uri: str) -> bool:
        """Whether From may go to a URI by the rules of basename.allow and basename.deny."""
        return basename.empty or basename.permits(self._address_of(ctx, "From"), uri)

    # ---- MI ----

    @mi_command("address_reload", help="reads the addresses of one partition, or of all, again")
    async def mi_reload(self, partition: str | None = None) -> None:
        """400: no such partition, or one of several cannot be read; 500: this one cannot. What it had stays."""
        if partition is not None and partition not in self.partitions:
            raise MiError(400, "Trusted table reload failed")
        for one in [self.partitions[partition]] if partition is not None else list(self.partitions.values()):
            try:
                await self._load_addresses(one)
            except DbError as error:
                self.log.error("failed to reload partition %s: %s", one.name, error)
                if partition is not None:
                    raise MiError(500, "Failed to reload") from None
                raise MiError(400, f"failed to reload partition  {one.name}!") from None

    @mi_command("address_dump", help="shows the single addresses of one partition, or of all")
    def mi_addresses(self, partition: str | None = None) -> dict[str, Any]:
        """{"Partitions": [{"name", "Destinations": [...]}]}, of one {"part", "Destinations"}; 404: no such partition."""
        return self._dump(partition, False)

    @mi_command("subnet_dump", help="shows the networks of one partition, or of all")
    def mi_subnets(self, partition: str | None = None) -> dict[str, Any]:
        """As address_dump."""
        return self._dump(partition, True)

    def _dump(self, name: str | None, subnets: bool) -> dict[str, Any]:
        if name is None:
            return {"Partitions": [
                {"name": one.name, "Destinations": [_shown(entry) for entry in one.addresses.listed(subnets)]}
                for one in self.partitions.values()
            ]}
        found = self.partitions.get(name)
        if found is None:
            raise MiError(404, "No such partition")
        return {"part": name, "Destinations": [_shown(entry) for entry in found.addresses.listed(subnets)]}

    @mi_command("allow_uri", help="whether a URI may go to a contact by files that a function of the script uses")
    def mi_allow_uri(self, basename: str, uri: str, contact: str) -> None:
        """403: it may not, or the files were not loaded; 404: a parameter is empty."""
        if not basename or not uri or not contact:
            raise MiError(404, "Basename is empty")
        allow = self._files.get(self._path(basename + self.allow_suffix))
        if allow is None:
            self.log.error("file <%s> has not been loaded", basename + self.allow_suffix)
            raise MiError(403, "Forbidden")
        if not Files(allow, self._files.get(self._path(basename + self.deny_suffix), ())).permits(uri, contact):
            raise MiError(403, "Forbidden")


def _shown(entry: Entry) -> dict[str, Any]:
    network = entry.network
    return {
        "grp": entry.group, "ip": one_form(str(network.network_address)),
        "mask": str(network.max_prefixlen) if entry.is_host else one_form(str(network.netmask)),
        "port": entry.port, "proto": entry.proto or "any", "pattern": entry.pattern, "context_info": entry.info,
    }


exports = Permissions
