"""The tables OpenSIPS' modules keep, in their layout of 3.6, and what has changed since 3.1.

`opensips-like db create` makes them, `db migrate` brings older ones up to date. Columns as engine.db.schema.columns() reads them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from engine.db.schema import LOCATION, Table, table

TABLES: Final[dict[str, Table]] = {one.name: one for one in (
    LOCATION,
    table("acc", 7, """
        id serial
        method char 16 required = ''
        from_tag char 64 required = ''
        to_tag char 64 required = ''
        callid char 64 required = ''
        sip_code char 3 required = ''
        sip_reason char 32 required = ''
        time time required
        duration uint required = 0
        ms_duration uint required = 0
        setuptime uint required = 0
        created time
    """, indexes={"callid_idx": ("callid",)}),
    table("missed_calls", 5, """
        id serial
        method char 16 required = ''
        from_tag char 64 required = ''
        to_tag char 64 required = ''
        callid char 64 required = ''
        sip_code char 3 required = ''
        sip_reason char 32 required = ''
        time time required
        setuptime uint required = 0
        created time
    """, indexes={"callid_idx": ("callid",)}),
    table("dbaliases", 2, """
        id serial
        alias_username char 64 required = ''
        alias_domain char 64 required = ''
        username char 64 required = ''
        domain char 64 required = ''
    """, unique={"alias_idx": ("alias_username", "alias_domain")}, indexes={"target_idx": ("username", "domain")}),
    table("subscriber", 8, """
        id serial
        username char 64 required = ''
        domain char 64 required = ''
        password char 25 required = ''
        ha1 char 64 required = ''
        ha1_sha256 char 64 required = ''
        ha1_sha512t256 char 64 required = ''
    """, unique={"account_idx": ("username", "domain")}, indexes={"username_idx": ("username",)}),
    table("uri", 2, """
        id serial
        username char 64 required = ''
        domain char 64 required = ''
        uri_user char 64 required = ''
        last_modified time required = '1900-01-01 00:00:01'
    """, unique={"account_idx": ("username", "domain", "uri_user")}),
    table("usr_preferences", 3, """
        id serial
        uuid char 64 required = ''
        username char 64 required = 0
        domain char 64 required = ''
        attribute char 32 required = ''
        type int required = 0
        value char 128 required = ''
        last_modified time required = '1900-01-01 00:00:01'
    """, indexes={"ua_idx": ("uuid", "attribute"), "uda_idx": ("username", "domain", "attribute"), "value_idx": ("value",)}),
    table("cachedb", 2, """
        id serial
        keyname char 255 required
        value text required
        counter int required = 0
        expires uint required = 0
    """, unique={"cachedbsql_keyname_idx": ("keyname",)}),
    table("dialog", 12, """
        dlg_id bigkey
        callid char 255 required
        from_uri char 255 required
        from_tag char 64 required
        to_uri char 255 required
        to_tag char 64 required
        mangled_from_uri char 255
        mangled_to_uri char 255
        caller_cseq char 11 required
        callee_cseq char 11 required
        caller_ping_cseq uint required
        callee_ping_cseq uint required
        caller_route_set text
        callee_route_set text
        caller_contact char 255
        callee_contact char 255
        caller_sock char 64 required
        callee_sock char 64 required
        state uint required
        start_time uint required
        timeout uint required
        vars blob
        profiles text
        script_flags char 255
        module_flags uint required = 0
        flags uint required = 0
        rt_on_answer char 64
        rt_on_timeout char 64
        rt_on_hangup char 64
    """),
    table("dialplan", 5, """
        id serial
        dpid int required
        pr int required = 0
        match_op int required
        match_exp char 64 required
        match_flags int required = 0
        subst_exp char 64
        repl_exp char 32
        timerec char 255
        disabled int required = 0
        attrs char 255
    """),
    table("dispatcher", 9, """
        id serial
        setid int required = 0
        destination char 192 required = ''
        socket char 128
        state int required = 0
        probe_mode uint required = 0
        weight char 64 required = 1
        priority int required = 0
        attrs char 128
        description char 64
    """),
    table("domain", 4, """
        id serial
        domain char 64 required = ''
        attrs char 255
        accept_subdomain uint required = 0
        last_modified time required = '1900-01-01 00:00:01'
    """, unique={"domain_idx": ("domain",)}),
    table("dr_gateways", 6, """
        id serial
        gwid char 64 required
        type uint required = 0
        address char 128 required
        strip uint required = 0
        pri_prefix char 16
        attrs char 255
        probe_mode uint required = 0
        state uint required = 0
        socket char 128
        description char 128
    """, unique={"dr_gw_idx": ("gwid",)}),
    table("dr_rules", 4, """
        ruleid serial
        groupid char 255 required
        prefix char 64 required
        timerec char 255
        priority int required = 0
        routeid char 255
        gwlist char 255
        sort_alg char 1 required = 'N'
        sort_profile uint
        attrs char 255
        description char 128
    """),
    table("dr_carriers", 3, """
        id serial
        carrierid char 64 required
        gwlist char 255 required
        flags uint required = 0
        sort_alg char 1 required = 'N'
        state uint required = 0
        attrs char 255
        description char 128
    """, unique={"dr_carrier_idx": ("carrierid",)}),
    table("dr_groups", 2, """
        id serial
        username char 64 required
        domain char 128
        groupid uint required = 0
        description char 128
    """),
    table("dr_partitions", 1, """
        id serial
        partition_name char 255 required
        db_url char 255 required
        drd_table char 255
        drr_table char 255
        drg_table char 255
        drc_table char 255
        ruri_avp char 255
        gw_id_avp char 255
        gw_priprefix_avp char 255
        gw_sock_avp char 255
        rule_id_avp char 255
        rule_prefix_avp char 255
        carrier_id_avp char 255
    """),
    table("grp", 3, """
        id serial
        username char 64 required = ''
        domain char 64 required = ''
        grp char 64 required = ''
        last_modified time required = '1900-01-01 00:00:01'
    """, unique={"account_group_idx": ("username", "domain", "grp")}),
    table("re_grp", 2, """
        id serial
        reg_exp char 128 required = ''
        group_id int required = 0
    """, indexes={"group_idx": ("group_id",)}),
    table("load_balancer", 3, """
        id serial
        group_id uint required = 0
        dst_uri char 128 required
        resources char 255 required
        probe_mode uint required = 0
        attrs char 255
        description char 128
    """, indexes={"dsturi_idx": ("dst_uri",)}),
    table("silo", 6, """
        id serial
        src_addr char 255 required = ''
        dst_addr char 255 required = ''
        username char 64 required = ''
        domain char 64 required = ''
        inc_time int required = 0
        exp_time int required = 0
        snd_time int required = 0
        ctype char 255
        body blob
    """, indexes={"account_idx": ("username", "domain")}),
    table("address", 5, """
        id serial
        grp uint required = 0
        ip char 50 required
        mask uint required = 32
        port uint required = 0
        proto char 4 required = 'any'
        pattern char 64
        context_info char 32
    """),
    table("registrant", 3, """
        id serial
        registrar char 255 required = ''
        proxy char 255
        aor char 255 required = ''
        third_party_registrant char 255
        username char 64
        password char 64
        binding_URI char 255 required = ''
        binding_params char 64
        expiry uint
        forced_socket char 64
        cluster_shtag char 64
        state int required = 0
    """, unique={"registrant_idx": ("aor", "binding_URI", "registrar")}),
    table("rtpengine", 1, """
        id serial
        socket text required
        set_id uint required
    """),
    table("rtpproxy_sockets", 0, """
        id serial
        rtpproxy_sock text required
        set_id uint required
    """),
    table("speed_dial", 3, """
        id serial
        username char 64 required = ''
        domain char 64 required = ''
        sd_username char 64 required = ''
        sd_domain char 64 required = ''
        new_uri char 255 required = ''
        fname char 64 required = ''
        lname char 64 required = ''
        description char 64 required = ''
    """, unique={"speed_dial_idx": ("username", "domain", "sd_domain", "sd_username")}),
    table("tls_mgm", 3, """
        id serial
        domain char 64 required
        match_ip_address char 255
        match_sip_domain char 255
        type int required = 1
        method char 16 = 'SSLv23'
        verify_cert int = 1
        require_cert int = 1
        certificate blob
        private_key blob
        crl_check_all int = 0
        crl_dir char 255
        ca_list blob
        ca_dir char 255
        cipher_list char 255
        dh_params blob
        ec_curve char 255
    """, unique={"domain_type_idx": ("domain", "type")}),
)}

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "acc": ("acc", "missed_calls"),
    "alias_db": ("dbaliases",),
    "auth_db": ("subscriber", "uri"),
    "avpops": ("usr_preferences",),
    "cachedb_sql": ("cachedb",),
    "dialog": ("dialog",),
    "dialplan": ("dialplan",),
    "dispatcher": ("dispatcher",),
    "domain": ("domain",),
    "drouting": ("dr_gateways", "dr_rules", "dr_carriers", "dr_groups", "dr_partitions"),
    "group": ("grp", "re_grp"),
    "load_balancer": ("load_balancer",),
    "msilo": ("silo",),
    "permissions": ("address",),
    "registrant": ("registrant",),
    "rtpengine": ("rtpengine",),
    "rtpproxy": ("rtpproxy_sockets",),
    "speeddial": ("speed_dial",),
    "tls_mgm": ("tls_mgm",),
    "usrloc": ("location",),
}
"""Module -> its tables."""


class Step(NamedTuple):
    """What brings a table from one version to a later one: columns to add and columns whose type or default has changed."""

    table: str
    before: int
    after: int
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


STEPS: Final = (
    Step("subscriber", 7, 8, added=("ha1_sha256", "ha1_sha512t256")),
    Step("dialog", 11, 12, changed=("mangled_from_uri", "mangled_to_uri", "script_flags")),
    Step("dispatcher", 8, 9, added=("probe_mode",), changed=("attrs", "description")),
    Step("domain", 3, 4, added=("accept_subdomain",)),
    Step("registrant", 2, 3, added=("state",)),
)
"""OpenSIPS 3.1 to 3.6, oldest first. Columns that are not used any more stay: they do no harm and may be somebody's."""
