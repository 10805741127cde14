// An independent judge of what this project signs: @cosmjs, and Keplr's own code for ADR-036.
//
//   node verify.mjs FOLDER     FOLDER has the node_modules of package-lock.json
//
// Reads one JSON request per line and answers each with one line: {"answer": …} or {"error": text}. Bytes are hexadecimal
// text. cosmjs makes the sign bytes itself, from the transaction, wherever it can.
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

const load = createRequire(join(process.argv[2], "package.json"));
const amino = load("@cosmjs/amino");
const crypto = load("@cosmjs/crypto");
const { fromBase64, fromHex, toBech32, toHex } = load("@cosmjs/encoding");
const proto = load("@cosmjs/proto-signing");
const stargate = load("@cosmjs/stargate");
const keplr = load("@keplr-wallet/cosmos");
const { AuthInfo, TxBody, TxRaw } = load("cosmjs-types/cosmos/tx/v1beta1/tx");

const registry = new proto.Registry(stargate.defaultRegistryTypes);
const aminoTypes = new stargate.AminoTypes(stargate.createDefaultAminoConverters());

async function isSignedBy(pubkey, signBytes, signature) {
  const parsed = crypto.Secp256k1Signature.fromFixedLength(signature);
  return crypto.Secp256k1.verifySignature(parsed, crypto.sha256(signBytes), pubkey);
}

// The account's key and address, as the transaction's n-th signer info names it.
function signerOf(authInfo, index, prefix) {
  const pubkey = proto.decodePubkey(authInfo.signerInfos[index].publicKey);
  return { pubkey, address: amino.pubkeyToAddress(pubkey, prefix) };
}

function directSignBytes(raw, { chain_id, account_number }) {
  return proto.makeSignBytes(
    proto.makeSignDoc(raw.bodyBytes, raw.authInfoBytes, chain_id, Number(account_number)),
  );
}

function aminoSignBytes(raw, { chain_id, account_number, sequence }) {
  const body = TxBody.decode(raw.bodyBytes);
  const { fee } = AuthInfo.decode(raw.authInfoBytes);
  const messages = body.messages.map(({ typeUrl, value }) =>
    aminoTypes.toAmino({ typeUrl, value: registry.decode({ typeUrl, value }) }),
  );
  const stdFee = {
    amount: fee.amount,
    gas: fee.gasLimit.toString(),
    ...(fee.granter && { granter: fee.granter }),
    ...(fee.payer && { payer: fee.payer }),
  };
  const timeout = body.timeoutHeight || undefined;
  return amino.serializeSignDoc(
    amino.makeSignDoc(messages, stdFee, chain_id, body.memo, account_number, sequence, timeout),
  );
}

const SIGN_BYTES = { direct: directSignBytes, "amino-json": aminoSignBytes };

// A single signer's signature in a transaction.
async function verifyTx({ mode, tx, index, prefix, ...data }) {
  const raw = TxRaw.decode(fromHex(tx));
  const { pubkey, address } = signerOf(AuthInfo.decode(raw.authInfoBytes), index, prefix);
  const signBytes = SIGN_BYTES[mode](raw, data);
  const valid = await isSignedBy(fromBase64(pubkey.value), signBytes, raw.signatures[index]);
  return { valid, address, sign_bytes: toHex(signBytes) };
}

function groupKey({ public_keys, threshold }) {
  const members = public_keys.map((key) => amino.encodeSecp256k1Pubkey(fromHex(key)));
  return amino.createMultisigThresholdPubkey(members, threshold, true);
}

// Address, amino and protobuf form of a multisig key.
function multisigKey({ prefix, ...key }) {
  const pubkey = groupKey(key);
  return {
    address: amino.pubkeyToAddress(pubkey, prefix),
    amino: toHex(amino.encodeAminoPubkey(pubkey)),
    value: toHex(proto.encodePubkey(pubkey).value),
  };
}

// The members' signatures, by address, combined to a whole transaction.
function combine({ body, sequence, fee, signatures, ...key }) {
  const bySigner = new Map(Object.entries(signatures).map(([address, hex]) => [address, fromHex(hex)]));
  return toHex(stargate.makeMultisignedTxBytes(groupKey(key), sequence, fee, fromHex(body), bySigner));
}

// One member's amino signature for a multisig account.
async function verifyMember({ body, fee_bytes, public_key, signature, ...data }) {
  const authInfoBytes = fromHex(fee_bytes);
  const signBytes = aminoSignBytes({ bodyBytes: fromHex(body), authInfoBytes }, data);
  return isSignedBy(fromHex(public_key), signBytes, fromHex(signature));
}

function adr036({ prefix, signer, data, public_key, signature, algorithm }) {
  const bytes = fromHex(data);
  const document = keplr.serializeSignDoc(keplr.makeADR36AminoSignDoc(signer, bytes));
  return {
    valid: keplr.verifyADR36Amino(prefix, signer, bytes, fromHex(public_key), fromHex(signature), algorithm),
    document: toHex(document),
    json: keplr.encodeSecp256k1Signature(fromHex(public_key), fromHex(signature)),
  };
}

// The key of a path, by SLIP-10 alone, as a Cosmos and as an Ethereum account.
async function derive({ mnemonic, passphrase, path, prefix }) {
  const seed = await crypto.Bip39.mnemonicToSeed(new crypto.EnglishMnemonic(mnemonic), passphrase);
  const { privkey } = crypto.Slip10.derivePath(crypto.Slip10Curve.Secp256k1, seed, crypto.stringToPath(path));
  const { pubkey } = await crypto.Secp256k1.makeKeypair(privkey);
  const compressed = crypto.Secp256k1.compressPubkey(pubkey);
  return {
    private_key: toHex(privkey),
    public_key: toHex(compressed),
    address: toBech32(prefix, amino.rawSecp256k1PubkeyToRawAddress(compressed)),
    eth_address: toBech32(prefix, crypto.keccak256(pubkey.slice(1)).slice(-20)),
  };
}

function walletOptions({ passphrase, path, prefix }) {
  return { bip39Password: passphrase, hdPaths: [crypto.stringToPath(path)], prefix };
}

// The account that a wallet of cosmjs makes of a mnemonic.
async function wallet({ mnemonic, ...options }) {
  const made = await proto.DirectSecp256k1HdWallet.fromMnemonic(mnemonic, walletOptions(options));
  const [{ address, pubkey }] = await made.getAccounts();
  return { address, public_key: toHex(pubkey) };
}

// A transaction that a wallet of cosmjs makes and signs.
async function signTx({ mode, mnemonic, messages, fee, memo, chain_id, account_number, sequence, ...options }) {
  const Wallet = mode === "direct" ? proto.DirectSecp256k1HdWallet : amino.Secp256k1HdWallet;
  const made = await Wallet.fromMnemonic(mnemonic, walletOptions(options));
  const [{ address }] = await made.getAccounts();
  const client = await stargate.SigningStargateClient.offline(made, { registry, aminoTypes });
  const signerData = { chainId: chain_id, accountNumber: Number(account_number), sequence: Number(sequence) };
  const encoded = messages.map((message) => aminoTypes.fromAmino(message));
  return toHex(TxRaw.encode(await client.sign(address, encoded, fee, memo, signerData)).finish());
}

// Data that a wallet of cosmjs signs in Keplr's envelope.
async function signArbitrary({ mnemonic, data, ...options }) {
  const made = await amino.Secp256k1HdWallet.fromMnemonic(mnemonic, walletOptions(options));
  const [{ address }] = await made.getAccounts();
  const { signature } = await made.signAmino(address, keplr.makeADR36AminoSignDoc(address, fromHex(data)));
  return { address, signature };
}

const OPERATIONS = {
  adr036,
  combine,
  derive,
  multisigKey,
  signArbitrary,
  signTx,
  verifyMember,
  verifyTx,
  wallet,
};

for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...request } = JSON.parse(line);
  let reply;
  try {
    reply = { answer: await OPERATIONS[op](request) };
  } catch (error) {
    reply = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
