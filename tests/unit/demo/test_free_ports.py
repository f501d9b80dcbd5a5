"""Ports for servers of one's own: all different, and none that an outgoing connection could take before."""

import socket
from pathlib import Path

import pytest

from similar_cases.demo import orthanc_process
from similar_cases.demo.orthanc_process import free_ports


def test_ports_differ_and_are_none_of_those_of_outgoing_connections():
    first_of_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    if first_of_outgoing <= 20_100:
        pytest.skip("this machine gives nearly all of its ports to outgoing connections")
    ports = free_ports(100)
    assert len(set(ports)) == 100
    assert all(20_000 <= port < first_of_outgoing for port in ports)


def test_what_is_taken_is_passed_over_and_where_nothing_is_left_the_system_chooses(monkeypatch: pytest.MonkeyPatch):
    [first] = free_ports(1)
    monkeypatch.setattr(orthanc_process, "_FIRST_PORT", first)
    monkeypatch.setattr(orthanc_process, "_first_of_outgoing", lambda: first + 1)
    assert free_ports(1) == [first]
    with socket.socket() as other:
        other.bind(("127.0.0.1", first))
        one, two = free_ports(2)
    assert len({first, one, two}) == 3
    assert min(one, two) > 0
