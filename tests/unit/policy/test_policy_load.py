from hashlib import sha256
from pathlib import Path

import pytest

from cosmos_formats.signing import SignMode
from keyring_bridge.errors import ConfigError, InsecureFile, PolicyInvalid
from keyring_bridge.policy import KeyPolicy, MessagePatterns, Policy
from keyring_bridge.policy.patterns import needs_exact_name
from keyring_bridge.policy.rules import AllOf, AnyOf

FINGERPRINT = "0a" * 32
KEY = f"""
fingerprint = "{FINGERPRINT}"
chains = ["ve-1"]
sign_modes = ["direct"]
messages = ["/cosmos.bank.v1beta1.MsgSend"]
"""


def put(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "policy.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o600)
    return path


def test_everything(tmp_path: Path) -> None:
    path = put(
        tmp_path,
        f"""
        version = 1
        [keys."my key"]
        fingerprint = "{"0a" * 32}"
        chains = ["ve-1", "ve-2"]
        sign_modes = ["direct", "direct-aux", "amino-json", "textual"]
        messages = ["/cosmos.bank.v1beta1.MsgSend", "/cosmos.staking.v1beta1.*"]
        callers = ["uid:1000", "spiffe://org/ops"]
        unsafe_blind_signing = true
        [keys.plain]
        {KEY}
        """,
    )
    policy = Policy.load(path)
    assert policy.keys["my key"] == KeyPolicy(
        fingerprint="0a" * 32,
        chains=frozenset({"ve-1", "ve-2"}),
        sign_modes=frozenset(
            {SignMode.DIRECT, SignMode.DIRECT_AUX, SignMode.LEGACY_AMINO_JSON, SignMode.TEXTUAL},
        ),
        messages=MessagePatterns(frozenset({"/cosmos.bank.v1beta1.MsgSend"}), frozenset({"/cosmos.staking.v1beta1."})),
        callers=frozenset({"uid:1000", "spiffe://org/ops"}),
        unsafe_blind_signing=True,
    )
    assert policy.keys["plain"].callers is None
    assert policy.keys["plain"].fingerprint == FINGERPRINT
    assert not policy.keys["plain"].unsafe_blind_signing
    assert policy.digest == sha256(path.read_bytes()).hexdigest()


def test_nothing(tmp_path: Path) -> None:
    assert Policy.load(put(tmp_path, "version = 1")).keys == {}
    assert Policy.empty().keys == {}
    assert Policy.empty().digest == sha256(b"").hexdigest()


def key(**lines: str) -> str:
    said = {"fingerprint": f'"{FINGERPRINT}"', "chains": "[]", "sign_modes": "[]", "messages": "[]", **lines}
    return "version = 1\n[keys.ops]\n" + "\n".join(f"{name} = {value}" for name, value in said.items() if value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "version: is missing"),
        ("version = 2", "version is 2, this release reads version 1"),
        ("version = 1\n[key.ops]", "key: unknown key; did you mean 'keys'?"),
        ("version = 1\n[keys]\nops = 1", "keys.ops: expected a table, got an integer"),
        (key(chains=""), "keys.ops.chains: is missing"),
        (key(sign_modes=""), "keys.ops.sign_modes: is missing"),
        (key(messages=""), "keys.ops.messages: is missing"),
        (key(fingerprint=""), "keys.ops.fingerprint: is missing; without it another key could get the name"),
        (key(fingerprint='""'), "fingerprint must be 64 lower-case hexadecimal digits"),
        (key(chain='"ve-1"'), "keys.ops.chain: unknown key; did you mean 'chains'?"),
        (key(blind_signing="true"), "keys.ops.blind_signing: unknown key; did you mean 'unsafe_blind_signing'?"),
        (key(chains='"ve-1"'), "keys.ops.chains: expected a list, got a string"),
        (key(chains="[1]"), "keys.ops.chains[0]: expected a string, got an integer"),
        (key(chains='[""]'), "keys.ops: '' is no chain id"),
        (key(chains='["ve-1 "]'), "keys.ops: 've-1 ' is no chain id"),
        (key(sign_modes='["dirct"]'), "keys.ops.sign_modes[0]: is 'dirct', expected one of"),
        (key(sign_modes='["dirct"]'), "did you mean 'direct'?"),
        (key(sign_modes='["direct-sum"]'), "keys.ops.sign_modes[0]: is 'direct-sum'"),
        (key(messages='["MsgSend"]'), "keys.ops: 'MsgSend' is neither a message type"),
        (key(messages='["*"]'), "'*' is neither"),
        (key(messages='["/*"]'), "'/*' is neither"),
        (key(messages='["/cosmos.*"]'), "'/cosmos.*' is neither"),
        (key(messages='["/cosmos.bank.v1beta1.Msg*"]'), "is neither"),
        (key(messages='["/cosmos.*.v1beta1.MsgSend"]'), "is neither"),
        (key(messages='["cosmos.bank.v1beta1.*"]'), "is neither"),
        (key(messages='["/cosmos..MsgSend"]'), "is neither"),
        (key(messages='["/cosmos.bank.v1beta1.MsgSend "]'), "is neither"),
        (key(messages='["/cosmos.bank.v1beta1.MsgSend\\n"]'), "is neither"),
        (key(messages='[""]'), "is neither"),
        (key(fingerprint='"0a"'), "keys.ops: fingerprint must be 64 lower-case hexadecimal digits"),
        (key(fingerprint=f'"{"0A" * 32}"'), "fingerprint must be 64 lower-case hexadecimal digits"),
        (key(fingerprint=f'"{"0a" * 32}\\n"'), "fingerprint must be"),
        (key(callers="[]"), "keys.ops: callers is empty"),
        (key(callers='["alice"]'), "keys.ops: 'alice' is no caller"),
        (key(callers='["uid:"]'), "'uid:' is no caller"),
        (key(callers='["uid:1 "]'), "is no caller"),
        (key(unsafe_blind_signing='"yes"'), "keys.ops.unsafe_blind_signing: expected true or false, got a string"),
        (f'version = 1\n[keys." ops"]\n{KEY}', 'keys." ops": key name begins or ends with white space'),
        (f'version = 1\n[keys.""]\n{KEY}', 'keys."": a key name is needed'),
        (f'version = 1\n[keys."a\\u202eb"]\n{KEY}', "invisible character U+202E"),
        (f'version = 1\n[keys."ops.info"]\n{KEY}', "key name ends with .info"),
        ("version = 1\n[keys.ops]\n[keys.ops]", "Cannot declare"),
        (b"version = 1 # \xff", "not UTF-8 at byte 14"),
        ("a = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("x" * ((4 << 20) + 1), "larger than"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = put(tmp_path, content)
    with pytest.raises(PolicyInvalid) as caught:
        Policy.load(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_a_key_without_fingerprint_is_told_where_to_read_it(tmp_path: Path) -> None:
    path = put(tmp_path, key(fingerprint="").replace("keys.ops", "keys.'my key'"))
    with pytest.raises(PolicyInvalid) as caught:
        Policy.load(path)
    assert caught.value.hint == "`hsm keys show 'my key'` prints the fingerprint of the key"


def test_file_that_is_missing_or_no_file(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalid, match="cannot be read"):
        Policy.load(tmp_path / "none.toml")
    with pytest.raises(ConfigError):
        Policy.load(tmp_path)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_file_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = put(tmp_path, "version = 1")
    path.chmod(mode)
    with pytest.raises(InsecureFile, match=f"others can write the policy {path}"):
        Policy.load(path)


@pytest.mark.parametrize(
    ("type_url", "exact"),
    [
        ("/cosmos.bank.v1beta1.MsgSend", False),
        ("/cosmos.authz.v1beta1.MsgGrant", True),
        ("/cosmos.authz.v1beta1.MsgExec", True),
        ("/cosmos.authz.v1beta1.MsgSomethingNew", True),
        ("/cosmos.authz.v2.MsgGrant", True),
        ("/cosmos.authz.v1beta1.MsgRevoke", False),
        ("/cosmos.feegrant.v1beta1.MsgGrantAllowance", True),
        ("/cosmos.feegrant.v1beta1.MsgRevokeAllowance", False),
        ("/cosmos.feegrant.v1beta1.MsgPruneAllowances", False),
        ("/cosmos.staking.v1beta1.StakeAuthorization", True),
        ("/other.chain.v1.SpendAllowance", True),
        ("/ibc.applications.interchain_accounts.controller.v1.MsgSendTx", True),
        ("/ibc.applications.transfer.v1.MsgTransfer", False),
        ("/cosmwasm.wasm.v1.MsgExecuteContract", True),
        ("/cosmwasm.wasm.v1.MsgInstantiateContract2", True),
        ("/cosmwasm.wasm.v1.MsgMigrateContract", True),
        ("/cosmwasm.wasm.v1.MsgUpdateAdmin", True),
        ("/cosmwasm.wasm.v1.MsgIBCSend", True),
        ("/cosmwasm.wasm.v1.ContractExecutionAuthorization", True),
        ("/cosmwasm.wasm.v1.MsgClearAdmin", False),
        ("/ibc.lightclients.wasm.v1.MsgMigrateContract", True),
        ("/ibc.lightclients.wasm.v1.ClientMessage", False),
        ("/cosmos.group.v1.MsgExec", True),
        ("/cosmos.group.v1.MsgSubmitProposal", True),
        ("/cosmos.group.v1.MsgVote", True),
        ("/cosmos.group.v1.MsgUpdateGroupAdmin", True),
        ("/cosmos.group.v1.MsgLeaveGroup", False),
        ("/cosmos.gov.v1.MsgExecLegacyContent", True),
        ("/cosmos.gov.v1.MsgVote", False),
        ("/ibc.core.channel.v2.MsgSendPacket", True),
        ("/ibc.core.channel.v2.MsgRecvPacket", False),
        ("/cosmos.circuit.v1.MsgAuthorizeCircuitBreaker", True),
        ("/cosmos.circuit.v1.MsgTripCircuitBreaker", False),
        ("/other.chain.v1.MsgSendPacket", False),
        ("/ethermint.evm.v1.MsgEthereumTx", True),
        ("/cosmos.evm.vm.v1.MsgEthereumTx", True),
        ("/cosmos.evm.erc20.v1.MsgConvertCoin", False),
        ("/injective.wasmx.v1.MsgExecuteContractCompat", True),
        ("/secret.compute.v1beta1.MsgExecuteContract", True),
        ("/cosmos.accounts.v1.MsgExecuteBundle", True),
    ],
)
def test_types_that_no_wildcard_covers(type_url: str, exact: bool) -> None:
    assert needs_exact_name(type_url) is exact
    package = type_url[: type_url.rfind(".")]
    assert MessagePatterns.of([f"{package}.*"]).match(type_url, known=True) is not exact
    assert MessagePatterns.of([type_url]).match(type_url, known=True)
    assert MessagePatterns.of([type_url]).match(type_url, known=False)
    assert not MessagePatterns.of([f"{package}.*"]).match(type_url, known=False)


def test_patterns_are_listed_as_they_are_written() -> None:
    patterns = ["/b.c.*", "/a.b.D", "/a.b.C"]
    assert list(MessagePatterns.of(patterns)) == ["/a.b.C", "/a.b.D", "/b.c.*"]


LIMITS = '[{{ signatures = 5, per = "minute", {} }}]'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (key(recipients='["ve1 x"]'), "keys.ops: recipients: 've1 x' is no address"),
        (key(recipients='[""]'), "recipients: '' is no address"),
        (key(denied_recipients='["alice"]'), "denied_recipients: 'alice' is no address"),
        (key(max_amount='{ uve = "1.5" }'), "keys.ops: max_amount.uve: expected a whole number"),
        (key(max_amount="{ uve = -1 }"), "max_amount.uve: expected a whole number"),
        (key(max_amount='{ uve = "010" }'), "max_amount.uve: expected a whole number"),
        (key(max_amount="{ uve = 1.5 }"), "keys.ops.max_amount.uve: expected a string, got a number"),
        (key(max_amount='{ "uve " = 1 }'), "max_amount: 'uve ' is no denomination"),
        (key(max_amount="5"), "keys.ops.max_amount: expected a table, got an integer"),
        (key(max_fee="{ u = 1 }"), "max_fee: 'u' is no denomination"),
        (key(max_gas="-1"), "max_gas is negative"),
        (key(max_amonut="{}"), "keys.ops.max_amonut: unknown key; did you mean 'max_amount'?"),
        (key(operations='["delet"]'), "keys.ops.operations[0]: is 'delet'"),
        (key(operations='["generate"]'), "keys.ops.operations[0]: is 'generate'"),
        (key(times='["monday"]'), "'monday' is no time"),
        (key(times='["mon-fri 08:00-25:00"]'), "a time is between 00:00 and 24:00"),
        (key(times='["08:00-08:00"]'), "its end is not its beginning"),
        (key(times='["xyz 08:00-09:00"]'), "the days are mon, tue"),
        (key(times='["08:00-09:00 Europe/Atlantis"]'), "knows no time zone 'Europe/Atlantis'"),
        (key(unknown_spending='["*"]'), "'*' is neither"),
        (key(any_of="[]"), "keys.ops: any_of is empty"),
        (key(all_of="[]"), "keys.ops: all_of is empty"),
        (key(any_of="[{}]"), "keys.ops: any_of[0] states no condition"),
        (key(any_of='[{ name = "a" }]'), "any_of[0] states no condition"),
        (key(any_of="[{ unsafe_blind_signing = true }]"), "any_of[0] states no condition"),
        (key(any_of="[{ max_gas = 1, any_of = [] }]"), "keys.ops.any_of[0]: any_of is empty"),
        (key(any_of="[{ max_gass = 1 }]"), "keys.ops.any_of[0].max_gass: unknown key; did you mean 'max_gas'?"),
        (key(any_of='[{ max_gas = 1, fingerprint = "" }]'), "keys.ops.any_of[0].fingerprint: unknown key"),
        (key(any_of='[{ name = "a b", max_gas = 1 }]'), "name must be"),
        (key(any_of='[{ name = "a", max_gas = 1 }, { name = "a", max_gas = 2 }]'), "any_of: two tables have one name"),
        (key(name='"a"'), "name is for the tables of all_of and any_of"),
        (
            key(chains="", any_of='[{ chains = ["a-1"] }, { max_gas = 1 }]'),
            "keys.ops.chains: is missing: state it here, or in every table of any_of",
        ),
        (key(messages="", all_of="[{ max_gas = 1 }]"), "keys.ops.messages: is missing: state it here"),
        (key(limits='[{ per = "day" }]'), "keys.ops.limits[0]: a limit is about signatures or about an amount"),
        (key(limits='[{ per = "day", signatures = 1, amount = { uve = 1 } }]'), "state one of the two"),
        (key(limits="[{ signatures = 1 }]"), "keys.ops.limits[0].per: is missing"),
        (key(limits='[{ signatures = 0, per = "day" }]'), "signatures must be 1 to"),
        (key(limits='[{ signatures = 1, per = "weekly" }]'), "per: 'weekly' is none of second, minute, hour, day"),
        (key(limits='[{ signatures = 1, per = "32d" }]'), "of 31 days at most"),
        (key(limits='[{ signatures = 1, per = "0s" }]'), "per: '0s' is none of"),
        (key(limits=LIMITS.format("burst = 6")), "burst must be 1 to the number of signatures"),
        (key(limits=LIMITS.format("burst = 0")), "burst must be 1 to the number of signatures"),
        (key(limits=LIMITS.format("callers = []")), "the limit would be nobody's"),
        (key(limits=LIMITS.format('callers = ["bob"]')), "'bob' is no caller"),
        (key(limits=LIMITS.format("each_calle = true")), "did you mean 'each_caller'?"),
        (
            key(limits='[{ signatures = 1, per = "day", name = "a" }, { signatures = 2, per = "day", name = "a" }]'),
            "keys.ops.limits: two limits have one name",
        ),
        ('version = 1\n[[limits]]\nper = "day"', "limits[0]: a limit is about"),
        ("version = 1\n[manage]\ngenrate = []", "manage.genrate: unknown key; did you mean 'generate'?"),
        ('version = 1\n[manage]\ndelete = ["root"]', "'root' is no caller"),
        ('version = 1\n[manage]\ndelete = "uid:0"', "manage.delete: expected a list, got a string"),
        (key(callers='["*"]'), "'*' is no caller"),
        ("version = 1\n[keys.ops]\n" + "any_of = [{" * 300 + "}]" * 300, "nested too deeply"),
    ],
)
def test_what_is_wrong_with_the_newer_keys_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = put(tmp_path, content)
    with pytest.raises(PolicyInvalid) as caught:
        Policy.load(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_more_tables_than_anybody_writes(tmp_path: Path) -> None:
    tables = ", ".join(["{ max_gas = 1 }"] * 2001)
    with pytest.raises(PolicyInvalid, match="more than 2000 tables"):
        Policy.load(put(tmp_path, key(any_of=f"[{tables}]")))


def test_nothing_stated_is_nothing_allowed() -> None:
    """Also for a policy that a program makes."""
    rule = KeyPolicy(fingerprint=FINGERPRINT).rule
    assert {one.name for one in rule.rules} >= {"chains", "sign_modes", "messages"}


def test_an_empty_conjunction_or_choice_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="all_of is empty"):
        AllOf("", ())
    with pytest.raises(ValueError, match="any_of is empty"):
        AnyOf(())
