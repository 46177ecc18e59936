"""What scanners say about the defaults of encrypted listeners: nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.certify import certify

from .conftest import Make

pytestmark = pytest.mark.system

SSLYZE = Path(sys.prefix) / "scanner" / "bin" / "sslyze"
BLOCK = """{transport}://test:{port} {{
    bind 127.0.0.1
    tls {folder}/cert.pem {folder}/key.pem
    whoami
}}
"""
OLD = ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1")
GOOD = ("tls_1_2", "tls_1_3")


@pytest.mark.skipif(not SSLYZE.exists(), reason="needs sslyze")
def test_sslyze_has_no_finding(make: Make) -> None:
    found = scan(make, "tls")
    for version in OLD:
        assert found[f"{version}_cipher_suites"]["accepted_cipher_suites"] == []
    for version in GOOD:
        accepted = [one["cipher_suite"]["name"] for one in found[f"{version}_cipher_suites"]["accepted_cipher_suites"]]
        assert accepted
        assert [name for name in accepted if not ("GCM" in name or "CHACHA20" in name)] == []
        assert [name for name in accepted if version == "tls_1_2" and "_ECDHE_" not in name] == []
    assert not found["tls_compression"]["supports_compression"]
    assert not found["openssl_ccs_injection"]["is_vulnerable_to_ccs_injection"]
    assert not found["heartbleed"]["is_vulnerable_to_heartbleed"]
    assert found["tls_fallback_scsv"]["supports_fallback_scsv"]
    assert found["robot"]["robot_result"].startswith("NOT_VULNERABLE")
    assert found["session_renegotiation"]["supports_secure_renegotiation"]
    assert not found["session_renegotiation"]["is_vulnerable_to_client_renegotiation_dos"]
    assert found["tls_extended_master_secret"]["supports_ems_extension"]


def scan(make: Make, transport: str) -> dict[str, Any]:
    """Return what sslyze finds on a listener with the defaults, by the name of its check."""
    server = make()
    certify(server.folder)
    server.configure(BLOCK.format(transport=transport, port=server.port, folder=server.folder))
    server.start()
    out = server.folder / "found.json"
    line = [str(SSLYZE), f"127.0.0.1:{server.port}", f"--json_out={out}", "--mozilla_config=disable"]
    line += [f"--{check}" for check in ("sslv2", "sslv3", "tlsv1", "tlsv1_1", "tlsv1_2", "tlsv1_3", "compression")]
    line += ["--openssl_ccs", "--fallback", "--heartbleed", "--robot", "--reneg", "--ems"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=100, check=False)
    assert out.exists(), done.stdout + done.stderr
    (result,) = json.loads(out.read_text())["server_scan_results"]
    return {name: one["result"] for name, one in result["scan_result"].items()}
