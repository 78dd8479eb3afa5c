"""The core's own variables, by topic; binder.py turns a variable of a script into a getter and a setter."""

from __future__ import annotations

from typing import Final

from engine.module import Module
from engine.script.variables.branches import BranchVariables, MessageBranchVariables
from engine.script.variables.credentials import CredentialVariables
from engine.script.variables.headers import AddressVariables, HeaderVariables, IdentityVariables
from engine.script.variables.message import MessageVariables
from engine.script.variables.network import NetworkVariables, OldNetworkVariables
from engine.script.variables.sdp import SdpVariables
from engine.script.variables.storage import StateVariables, StorageVariables
from engine.script.variables.time import TimeVariables
from engine.script.variables.uri import UriVariables

CORE_MODULES: Final[tuple[type[Module], ...]] = (
    StorageVariables, StateVariables, UriVariables, MessageVariables, HeaderVariables, AddressVariables, IdentityVariables,
    CredentialVariables, MessageBranchVariables, BranchVariables, NetworkVariables, OldNetworkVariables, TimeVariables,
    SdpVariables,
)
"""What the registry loads under the name "core"."""
