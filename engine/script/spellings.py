"""Spellings that changed between the releases 1.x ... 3.6, and where names of OpenSIPS come from: facts as tables, no code.

The checker warns with them about what still works here under an old name, the porting report uses them to say what stands in the
place of a name that is gone, and which module a function, a variable or an event belongs to when that module is not loaded.
Old global parameters have their table beside the current ones (engine.script.globals.REMOVED).
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Spelling(NamedTuple):
    """What stands today in the place of an older name."""

    new: str
    """A name that can be put in its place, or a sentence."""
    since: str = ""
    """First release that wants it; empty: before 3.1."""


FUNCTIONS: Final[dict[str, Spelling]] = {
    # the Request-URI, branches
    "rewriteuser": Spelling("setuser()", "3.3"), "rewritehost": Spelling("sethost()", "3.3"),
    "rewritehostport": Spelling("sethostport()", "3.3"), "rewritehostporttrans": Spelling("sethostport()", "3.3"),
    "rewriteport": Spelling("setport()", "3.3"), "rewriteuri": Spelling("seturi()", "3.3"),
    "rewriteuserpass": Spelling("setuserpass()", "3.3"),
    "append_branch": Spelling('append_msg_branch(); append_msg_branch("$ru") for one without a URI', "3.6"),
    "remove_branch": Spelling("remove_msg_branch()", "3.6"), "move_branch": Spelling("move_msg_branch()", "3.6"),
    "swap_branches": Spelling("swap_msg_branches()", "3.6"),
    # avpops
    "avp_db_query": Spelling("sql_query() of sqlops", "3.5"), "avp_db_load": Spelling("sql_avp_load() of sqlops", "3.5"),
    "avp_db_store": Spelling("sql_avp_store() of sqlops", "3.5"), "avp_db_delete": Spelling("sql_avp_delete() of sqlops", "3.5"),
    "avp_delete": Spelling("$avp(x) := NULL;", "3.5"), "avp_copy": Spelling("$avp(y) = $avp(x);", "3.5"),
    "avp_pushto": Spelling("an assignment: $ru = $avp(x);", "3.5"),
    "avp_check": Spelling("a comparison: $avp(x) == \"text\"", "3.5"),
    "avp_subst": Spelling("$avp(y) = $(avp(x){re.subst,/from/to/});", "3.5"),
    "avp_op": Spelling("arithmetic: $avp(x) + 1", "3.5"),
    "avp_insert": Spelling("$(avp(x)[append]) = ...;", "3.5"), "is_avp_set": Spelling("$avp(x) != NULL", "3.5"),
    "avp_write": Spelling("an assignment: $avp(x) = $ru;"), "avp_printf": Spelling("pv_printf()"),
    # SIP messages
    "uri_param": Spelling("ruri_has_param() of sipmsgops"), "add_uri_param": Spelling("ruri_add_param() of sipmsgops"),
    "del_uri_param": Spelling("ruri_del_param() of sipmsgops"), "tel2sip": Spelling("ruri_tel2sip() of sipmsgops"),
    "is_user": Spelling('$au == "name"'), "strip_body": Spelling("remove_body_part() of sipmsgops"),
    "add_body": Spelling("add_body_part() of sipmsgops"),
    # users, permissions
    "db_check_from": Spelling("db_is_from_authorized() of auth_db"), "db_check_to": Spelling("db_is_to_authorized() of auth_db"),
    "check_from": Spelling("db_is_from_authorized() of auth_db"), "check_to": Spelling("db_is_to_authorized() of auth_db"),
    "does_uri_exist": Spelling("db_does_uri_exist() of auth_db"), "is_user_in": Spelling("db_is_user_in() of group"),
    "allow_trusted": Spelling("check_source_address() of permissions"),
    "allow_address": Spelling("check_address() of permissions"),
    "allow_source_address": Spelling("check_source_address() of permissions"),
    "get_address_group": Spelling("get_source_group() of permissions"),
    # media
    "force_rtp_proxy": Spelling("rtpproxy_offer() and rtpproxy_answer()"), "engage_rtp_proxy": Spelling("rtpproxy_engage()"),
    "unforce_rtp_proxy": Spelling("rtpproxy_unforce()"), "rtpproxy_stop": Spelling("rtpproxy_unforce()"),
    # the rest
    "load_balance": Spelling("lb_start() of load_balancer"), "sip_trace": Spelling("trace() of tracer"),
    "exec_msg": Spelling("exec()"), "exec_avp": Spelling("exec()"), "exec_dset": Spelling("exec()"),
    "exec_getenv": Spelling("exec()"), "fetch_event_params": Spelling("$param(name) in the event_route"),
    "setdebug": Spelling("$log_level = 4;"), "isdebug": Spelling("$log_level"),
}
"""Function of an older release -> what to write today."""

NUMBERS: Final[dict[str, tuple[str, str]]] = {
    "t_relay": ("flags", '"no-auto-477,no-dns-failover,pass-reason-hdr,allow-no-cancel"'),
    "t_replicate": ("flags", '"no-auto-477,no-dns-failover,pass-reason-hdr,allow-no-cancel"'),
    "nat_uac_test": ("flags", '"private-contact,diff-ip-src-via,private-via,diff-port-src-via" and their kin'),
    "fix_nated_sdp": ("flags", '"add-dir-active,rewrite-media-ip,add-no-rtpproxy,rewrite-origin-ip" and their kin'),
    "set_dlg_flag": ("flag", 'a name: "my_flag"'), "reset_dlg_flag": ("flag", 'a name: "my_flag"'),
    "is_dlg_flag_set": ("flag", 'a name: "my_flag"'), "test_and_set_dlg_flag": ("flag", 'a name: "my_flag"'),
}
"""Function -> (parameter, what to write today): until 3.3 these were numbers, from 3.4 on they are texts."""

MODULES: Final[dict[str, Spelling]] = {
    "event_route": Spelling("nothing: event routes are part of the core", "3.6"), "avpops": Spelling("sqlops", "3.5"),
    "uri": Spelling("auth_db for the database checks, sipmsgops for has_totag() and the parameters of the Request-URI"),
    "siptrace": Spelling("tracer"), "mi_json": Spelling("mi_http"), "localcache": Spelling("cachedb_local"),
    "memcached": Spelling("cachedb_memcached"), "tlsops": Spelling("tls_mgm"), "event_jsonrpc": Spelling("event_stream", "3.2"),
    "mysql": Spelling("db_mysql"), "postgres": Spelling("db_postgres"), "dbtext": Spelling("db_text"),
    "unixodbc": Spelling("db_unixodbc"), "xlog": Spelling("nothing: xlog() is part of the core"), "lcr": Spelling("drouting"),
    "auth_radius": Spelling("auth_aaa and aaa_radius"), "jabber": Spelling("xmpp"),
}
"""Module of an older release -> the module that does its work today."""

VARIABLES: Final[dict[str, Spelling]] = {
    "mF": Spelling("$mf"), "bF": Spelling("$bf"), "br": Spelling("$msg.branch.uri", "3.6"), "sf": Spelling("$msg.flag(name)"),
    "sF": Spelling("$msg.flag(name)"),
}
"""Variable of an older release -> what to write today; those that still work here say it themselves (pvar.deprecated)."""

MODPARAMS: Final[dict[tuple[str, str], Spelling]] = {
    ("usrloc", "db_mode"): Spelling("working_mode_preset"), ("tm", "fr_timer"): Spelling("fr_timeout"),
    ("tm", "fr_inv_timer"): Spelling("fr_inv_timeout"), ("tm", "fr_timer_avp"): Spelling("$T_fr_timeout in the script"),
    ("tm", "fr_inv_timer_avp"): Spelling("$T_fr_inv_timeout in the script"),
    ("rr", "enable_full_lr"): Spelling("nothing: ;lr is written as RFC 3261 has it"),
    ("registrar", "append_branches"): Spelling("the flag no-branches of lookup()"),
    ("acc", "log_flag"): Spelling('do_accounting("log")'), ("acc", "db_flag"): Spelling('do_accounting("db")'),
    ("acc", "aaa_flag"): Spelling('do_accounting("aaa")'), ("acc", "cdr_flag"): Spelling('do_accounting("db", "cdr")'),
    ("acc", "log_missed_flag"): Spelling('do_accounting("log", "missed")'),
    ("acc", "db_missed_flag"): Spelling('do_accounting("db", "missed")'),
    ("acc", "failed_transaction_flag"): Spelling('do_accounting("db", "failed")'),
    ("acc", "db_extra"): Spelling("extra_fields"), ("acc", "log_extra"): Spelling("extra_fields"),
    ("acc", "multi_leg_info"): Spelling("leg_fields"), ("dialog", "dlg_flag"): Spelling("create_dialog() in the script"),
    ("dialog", "use_tight_match"): Spelling("dlg_match_mode"),
}
"""(module, parameter) of an older release -> what to write today."""

WORDS: Final[dict[str, str]] = {
    "method": '$rm, or is_method("INVITE")', "uri": "$ru, or is_myself(\"$rd\") for uri==myself",
    "from_uri": "$fu", "to_uri": "$tu",
    "src_ip": "$si", "src_port": "$sp", "dst_ip": "$socket_in(ip)", "dst_port": "$socket_in(port)", "proto": "$socket_in(proto)",
    "af": "$socket_in(af)", "status": "$rs", "retcode": "$rc", "msg": "$ml for msg:len", "myself": 'is_myself("$rd")',
}
"""Words that conditions of 1.x were made of -> the variable of today."""


def _homes(table: dict[str, str]) -> dict[str, str]:
    """name -> module, from module -> names."""
    return {name: module for module, names in table.items() for name in names.split()}


FUNCTION_HOMES: Final = _homes({
    "aaa_diameter": "dm_send_request dm_send_answer",
    "acc": "do_accounting drop_accounting acc_log_request acc_db_request acc_aaa_request acc_evi_request acc_new_leg "
           "acc_load_ctx_from_dlg acc_unload_ctx_from_dlg",
    "alias_db": "alias_db_lookup alias_db_find",
    "auth": "www_challenge proxy_challenge consume_credentials pv_www_authorize pv_proxy_authorize is_rpid_user_e164 "
            "append_rpid_hf",
    "auth_aka": "aka_www_authorize aka_proxy_authorize aka_www_challenge aka_proxy_challenge",
    "auth_db": "www_authorize proxy_authorize db_is_to_authorized db_is_from_authorized db_does_uri_exist db_get_auth_id",
    "b2b_entities": "ua_session_server_init ua_session_update ua_session_reply ua_session_terminate",
    "b2b_logic": "b2b_init_request b2b_server_new b2b_client_new b2b_bridge b2b_pass_request b2b_handle_reply b2b_send_reply "
                 "b2b_delete_entity b2b_end_dlg_leg b2b_bridge_request b2b_bridge_retry b2b_scenario_terminate "
                 "b2b_trigger_scenario",
    "benchmark": "bm_start_timer bm_log_timer",
    "call_center": "cc_handle_call cc_agent_login", "callops": "call_transfer call_transfer_notify call_blind_replace",
    "carrierroute": "cr_user_carrier cr_route cr_prime_route cr_next_domain",
    "cfgutils": "rand_event rand_set_prob rand_reset_prob rand_get_prob sleep usleep abort pkg_status shm_status set_count "
                "set_select_weight ts_usec_delta get_static_lock release_static_lock get_dynamic_lock release_dynamic_lock "
                "strings_share_lock check_time_rec get_accurate_time shuffle_avps",
    "cgrates": "cgrates_acc cgrates_auth cgrates_cmd", "clusterer": "cluster_send_req cluster_send_rpl cluster_broadcast_req "
               "cluster_check_addr",
    "dialog": "create_dialog validate_dialog fix_route_dialog match_dialog load_dialog_ctx unload_dialog_ctx set_dlg_profile "
              "unset_dlg_profile is_in_profile get_profile_size set_dlg_flag reset_dlg_flag test_and_set_dlg_flag "
              "is_dlg_flag_set store_dlg_value fetch_dlg_value get_dialog_info get_dialog_vals get_dialogs_by_val "
              "get_dialogs_by_profile dlg_send_sequential dlg_on_timeout dlg_on_answer dlg_on_hangup set_dlg_sharing_tag "
              "dlg_inc_cseq",
    "dialplan": "dp_translate",
    "dispatcher": "ds_select_dst ds_select_domain ds_next_dst ds_next_domain ds_mark_dst ds_count ds_is_in_list "
                  "ds_get_script_attrs "
                  "ds_push_script_attrs",
    "domain": "is_from_local is_uri_host_local is_domain_local",
    "drouting": "do_routing use_next_gw route_to_carrier route_to_gw is_from_gw goes_to_gw dr_match dr_disable",
    "enum": "enum_query enum_pv_query is_from_user_enum i_enum_query isn_query", "fraud_detection": "check_fraud stop_fraud",
    "group": "db_is_user_in db_get_user_group aaa_is_user_in", "ldap": "ldap_search ldap_result ldap_result_check "
             "ldap_result_next ldap_filter_url_encode",
    "load_balancer": "lb_start lb_start_or_next lb_next lb_reset lb_is_started lb_disable_dst lb_is_destination lb_count_call",
    "mangler": "sdp_mangle_ip sdp_mangle_port encode_contact decode_contact decode_contact_header",
    "media_exchange": "media_exchange_from_uri media_exchange_to_call media_fork_to_uri media_fork_from_call media_terminate",
    "mediaproxy": "engage_media_proxy use_media_proxy end_media_session", "mi_script": "mi",
    "mid_registrar": "mid_registrar_save mid_registrar_lookup", "mmgeoip": "mmg_lookup",
    "msilo": "m_store m_dump", "nat_traversal": "client_nat_test fix_contact nat_keepalive",
    "nathelper": "fix_nated_contact fix_nated_sdp fix_nated_register nat_uac_test add_rcv_param", "options": "options_reply",
    "path": "add_path add_path_received", "perl": "perl_exec perl_exec_simple",
    "permissions": "check_address check_source_address get_source_group allow_routing allow_register allow_uri",
    "pike": "pike_check_req", "presence": "handle_publish handle_subscribe",
    "proto_ipsec": "ipsec_create", "proto_hep": "correlate hep_set hep_get hep_del hep_relay hep_resume_sip",
    "pua_dialoginfo": "dialoginfo_set dialoginfo_process_body",
    "pua_reginfo": "reginfo_subscribe reginfo_handle_notify reginfo_update",
    "python": "python_exec", "qrouting": "qr_set_xstat qr_disable_dst qr_enable_dst", "rabbitmq": "rabbitmq_publish",
    "ratelimit": "rl_check rl_dec_count rl_reset_count rl_values", "regex": "pcre_match pcre_match_group",
    "rest_client": "rest_get rest_post rest_put rest_append_hf rest_init_client_tls",
    "rtp_relay": "rtp_relay_engage rtp_relay_update rtp_relay_rerun",
    "rtpengine": "rtpengine_use_set rtpengine_manage rtpengine_offer rtpengine_answer rtpengine_delete rtpengine_start_recording "
                 "rtpengine_stop_recording rtpengine_pause_recording rtpengine_play_media rtpengine_stop_media "
                 "rtpengine_block_media rtpengine_unblock_media rtpengine_block_dtmf rtpengine_unblock_dtmf "
                 "rtpengine_start_forward rtpengine_stop_forward rtpengine_play_dtmf",
    "rtpproxy": "rtpproxy_engage rtpproxy_offer rtpproxy_answer rtpproxy_unforce rtpproxy_start_recording "
                "rtpproxy_stream2uac rtpproxy_stream2uas rtpproxy_stop_stream2uac rtpproxy_stop_stream2uas rtpproxy_stats",
    "sipcapture": "sip_capture report_capture", "siprec": "siprec_start_recording siprec_pause_recording siprec_resume_recording "
                  "siprec_stop_recording siprec_send_indialog", "speeddial": "sd_lookup",
    "sql_cacher": "sql_cache_fetch",
    "sqlops": "sql_query sql_query_one sql_select sql_select_one sql_update sql_insert sql_delete sql_replace sql_avp_load "
              "sql_avp_store sql_avp_delete", "sst": "sstCheckMin",
    "statistics": "update_stat reset_stat stat_iter_init stat_iter_next get_stat_percentile add_stat_series",
    "stir_shaken": "stir_shaken_auth stir_shaken_verify stir_shaken_check stir_shaken_check_cert stir_shaken_disengagement",
    "topology_hiding": "topology_hiding topology_hiding_match", "tracer": "trace",
    "uac": "uac_replace_to uac_restore_to uac_replace_from uac_restore_from uac_auth uac_inc_cseq",
    "uac_redirect": "get_redirects set_accept_filter set_deny_filter", "uri": "db_check_from db_check_to",
    "userblacklist": "check_user_blacklist check_user_whitelist check_blacklist", "xcap": "xcap_get",
    "xmpp": "xmpp_send_message",
})
"""Function -> its OpenSIPS module, for functions that modules not in this project have."""

VARIABLE_HOMES: Final = _homes({
    "acc": "acc_extra acc_leg acc_current_leg", "b2b_logic": "b2b_logic.key b2b_logic.entity b2b_logic.ctx b2b_logic.scenario",
    "benchmark": "BM_time_diff", "cfgutils": "shv env ctime RANDOM", "cgrates": "cgr cgr_opt cgr_ret",
    "dialog": "DLG_count DLG_status DLG_lifetime DLG_dir DLG_did DLG_end_reason DLG_timeout DLG_json DLG_ctx_json DLG_flags "
              "dlg_val",
    "json": "json json_pretty json_compact", "mqueue": "mqk mqv", "proto_ipsec": "ipsec ipsec_ue", "ratelimit": "rl_count",
    "rtp_relay": "rtp_relay rtp_relay_peer rtp_relay_ctx", "rtpengine": "rtpquery rtpstat",
    "sip_i": "isup_param isup_param_str isup_msg_type", "statistics": "stat stat_iter", "stir_shaken": "identity",
    "topology_hiding": "TH_callee_callid", "xml": "xml",
})
"""Variable -> its OpenSIPS module."""

CLASS_HOMES: Final[dict[str, str]] = {"json": "json", "rest": "rest_client", "xml": "xml"}
"""Class of transformations -> its OpenSIPS module."""

EVENT_HOMES: Final[dict[str, str]] = {
    "E_ACC_": "acc", "E_B2B_": "b2b_logic", "E_CALL_": "callops", "E_CALLCENTER_": "call_center", "E_CLUSTERER_": "clusterer",
    "E_DIALOG_": "dialog", "E_DLG_": "dialog", "E_DISPATCHER_": "dispatcher", "E_DM_": "aaa_diameter", "E_DROUTING_": "drouting",
    "E_FRD_": "fraud_detection", "E_FS_": "freeswitch_scripting", "E_LOAD_BALANCER_": "load_balancer", "E_MSRP_": "msrp_ua",
    "E_PIKE_": "pike", "E_PRESENCE_": "presence", "E_QROUTING_": "qrouting", "E_REGISTRANT_": "uac_registrant",
    "E_RTPENGINE_": "rtpengine", "E_RTPPROXY_": "rtpproxy", "E_RTP_RELAY_": "rtp_relay", "E_SMPP_": "proto_smpp",
    "E_UL_": "usrloc",
    "E_UA_": "b2b_entities", "E_RABBITMQ_": "rabbitmq_consumer", "E_MID_": "mid_registrar", "E_SIPREC_": "siprec",
}
"""Beginning of an event's name -> the OpenSIPS module that raises it."""


def variable_home(name: str) -> str:
    """The module that a variable belongs to, or ""."""
    return VARIABLE_HOMES.get(name, "") or ("tls_mgm" if name.startswith("tls_") else "")


def event_home(name: str) -> str:
    """The module that raises an event, as far as its name tells; else ""."""
    return next((module for start, module in EVENT_HOMES.items() if name.startswith(start)), "")
