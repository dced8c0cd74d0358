"""Policies as users give them: rules, functions, or names such as "pro-rata:pnl"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import cast

import numpy as np

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.policies.proportional import By, ProRata, RiskAware
from adlopt.policies.protocol import AnyPolicy, Policies, Policy, name_of, require_policy
from adlopt.policies.queues import DydxV4
from adlopt.policies.standard import BY_NAME


def as_policy(policy: AnyPolicy | str) -> AnyPolicy:
    """A policy, given itself or by its name; InputError for anything else."""
    if isinstance(policy, str):
        return read_policy(policy)
    require_policy(policy)
    return policy


def by_name(policies: Policies) -> dict[str, AnyPolicy]:
    """Policies by the name of their row; repeated names are numbered."""
    if isinstance(policies, Mapping):
        return {name: as_policy(policy) for name, policy in policies.items()}
    if isinstance(policies, Policy | str) or callable(policies) or hasattr(policies, "allocate"):
        policies = [cast(AnyPolicy, policies)]
    if not isinstance(policies, Iterable):
        raise InputError(
            f"policies is {policies!r}; give a policy, a list of policies, or a mapping from name "
            "to policy"
        )
    listed = [as_policy(policy) for policy in policies]
    names = validation.number_duplicates([name_of(policy) for policy in listed])
    return dict(zip(names, listed, strict=True))


def read_policy(text: str) -> Policy:
    """A policy from its name, with a parameter after a colon: pro-rata:pnl, risk-aware:2 (the power
    of g), dydx-v4:7.
    """
    name, colon, parameter = text.strip().partition(":")
    name = name.lower().replace("_", "-")
    if name not in BY_NAME:
        raise InputError(
            f"policy {text!r} is unknown; use {', '.join(BY_NAME)}, with a parameter as in "
            "pro-rata:pnl"
        )
    if not colon:
        return BY_NAME[name]()
    if name == "pro-rata":
        return ProRata(cast(By, parameter))
    if name == "risk-aware":
        power = validation.read_number(f"policy {name}", parameter)
        g = partial(_power_of_leverage, power)  # unlike a lambda, it travels to other processes
        return RiskAware(g, name=f"RiskAware(power {power:g})")
    if name == "dydx-v4":
        if not parameter.isdecimal():
            raise InputError(f"policy {text!r}: the seed is a whole number >= 0, as in dydx-v4:7")
        return DydxV4(int(parameter))
    raise InputError(f"policy {text!r}: {name} takes no parameter as text")


def _power_of_leverage(power: float, leverage: FloatArray) -> FloatArray:
    return np.asarray(leverage**power)
