"""What is left out of an import is absent meanwhile, and whole for whoever wants it later."""

import subprocess
import sys
from pathlib import Path

import pytest

from cosmos_formats.hollow import left_out


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_module_is_empty_meanwhile_and_whole_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hollow_sample.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with left_out("hollow_sample"):
        import hollow_sample  # type: ignore[import-not-found]  # it is made here

        assert not hasattr(hollow_sample, "value")
    import hollow_sample as whole  # type: ignore[import-not-found]  # likewise

    assert whole.value == 1
    with left_out("hollow_sample"):
        import hollow_sample as loaded  # type: ignore[import-not-found]  # likewise

        assert loaded is whole
    del sys.modules["hollow_sample"]


def test_messages_are_read_without_the_classes_in_pure_python() -> None:
    assert (
        run(
            "import sys\n"
            "from google.protobuf.internal import api_implementation\n"
            "from cosmos_formats.schema_index import descriptor_set_class\n"
            "made = descriptor_set_class()()\n"
            "made.file.add(name='x')\n"
            "name = 'google.protobuf.internal.python_message'\n"
            "print(made.SerializeToString(), (name in sys.modules) == (api_implementation.Type() == 'python'))\n"
            "import google.protobuf.internal.python_message as whole\n"
            "from google.protobuf import text_format\n"
            "from google.protobuf.any_pb2 import Any\n"
            "print(hasattr(whole, 'GeneratedProtocolMessageType'), text_format.MessageToString(Any(type_url='y')))"
        )
        == "b'\\n\\x03\\n\\x01x' True\nTrue type_url: \"y\""
    )


def test_the_bindings_come_without_their_helpers_and_those_can_be_imported() -> None:
    assert (
        run(
            "import sys\n"
            "from keyring_bridge.providers.pkcs11.bindings import load_bindings\n"
            "load_bindings(); load_bindings()\n"
            "import pkcs11\n"
            "print('asn1crypto' in sys.modules, hasattr(pkcs11, 'ec'), pkcs11.Mechanism.ECDSA.name)\n"
            "from pkcs11.util.ec import encode_named_curve_parameters\n"
            "print(encode_named_curve_parameters('secp256k1').hex())"
        )
        == "False False ECDSA\n06052b8104000a"
    )
