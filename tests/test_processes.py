"""The watch over ports that every test runs under sees what it has to see."""

import pytest
from processes import family, is_loopback, listening


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_addresses_of_this_machine(address):
    assert is_loopback(address)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "::ffff:0.0.0.0", "192.168.0.2"])
def test_addresses_that_others_reach(address):
    assert not is_loopback(address)


def test_a_server_is_seen(flask_server):
    port = int(flask_server.url.rpartition(":")[2])
    assert listening(flask_server.processes()) == {("127.0.0.1", port)}
    assert listening(family()) >= {("127.0.0.1", port)}
