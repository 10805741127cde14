// Signers for @cosmjs whose keys stay with the bridge. cosmjs takes whatever has the right methods, so nothing of it is
// imported. It tells the two kinds apart by `signDirect`, so they are two classes.
import { Buffer } from "node:buffer";
import { BridgeError, peerFailed } from "./errors.js";
import { aminoSignBytes, directSignBytes } from "./signbytes.js";

const SECP256K1 = "/cosmos.crypto.secp256k1.PubKey";

class BridgeSigner {
  #client;
  #uids;
  #accounts = null;

  /**
   * @param {import("./client.js").KeyringClient} client
   * @param {...string} uids names of keys; they are asked for when the accounts are first needed
   */
  constructor(client, ...uids) {
    this.#client = client;
    this.#uids = uids;
  }

  /** @returns {Promise<{address: string, algo: "secp256k1", pubkey: Uint8Array}[]>} */
  async getAccounts() {
    return (await this.#known()).map(({ address, pubkey }) => ({ address, algo: "secp256k1", pubkey }));
  }

  async #known() {
    // A failure is not kept: the bridge may be unlocked by the next call.
    this.#accounts ??= Promise.all(this.#uids.map((uid) => this.#account(uid)));
    try {
      return await this.#accounts;
    } catch (error) {
      this.#accounts = null;
      throw error;
    }
  }

  async #account(uid) {
    const { address, record } = await this.#client.key(uid);
    const key = record?.pub_key;
    if (key?.["@type"] !== SECP256K1) {
      throw new BridgeError("invalid_key", `${uid}: ${key?.["@type"] ?? "no key"}; cosmjs signs with secp256k1 keys only`);
    }
    if (typeof address !== "string") {
      throw new BridgeError("config_missing", "the bridge has no address prefix configured");
    }
    return { uid, address, base64: key.key, pubkey: new Uint8Array(Buffer.from(key.key, "base64")) };
  }

  /** Sign with the key that has an address; return cosmjs's StdSignature. */
  async _sign(address, signBytes, mode) {
    const account = (await this.#known()).find((one) => one.address === address);
    if (!account) throw new BridgeError("key_not_found", `${address} is not the address of a key of this signer`);
    const { signature, publicKey } = await this.#client.sign(account.uid, signBytes, mode);
    if (publicKey?.key !== account.base64) throw peerFailed(`another key than ${account.uid} has signed`);
    return {
      pub_key: { type: "tendermint/PubKeySecp256k1", value: account.base64 },
      signature: Buffer.from(signature).toString("base64"),
    };
  }
}

/** An `OfflineDirectSigner` of @cosmjs/proto-signing. */
export class BridgeDirectSigner extends BridgeSigner {
  /** @returns {Promise<{signed: object, signature: {pub_key: object, signature: string}}>} */
  async signDirect(signerAddress, signDoc) {
    return { signed: signDoc, signature: await this._sign(signerAddress, directSignBytes(signDoc), "SIGN_MODE_DIRECT") };
  }
}

/** An `OfflineAminoSigner` of @cosmjs/amino. The policy of the key must allow the sign mode `amino-json`. */
export class BridgeAminoSigner extends BridgeSigner {
  /** @returns {Promise<{signed: object, signature: {pub_key: object, signature: string}}>} */
  async signAmino(signerAddress, signDoc) {
    const mode = "SIGN_MODE_LEGACY_AMINO_JSON";
    return { signed: signDoc, signature: await this._sign(signerAddress, aminoSignBytes(signDoc), mode) };
  }
}
