// What is signed, made from the sign documents that @cosmjs hands to a signer.
import { Buffer } from "node:buffer";
import { BridgeError } from "./errors.js";

const MAX_DEPTH = 64;
const MAX_UINT64 = (1n << 64n) - 1n;

/**
 * The bytes of a `SignDoc` (sign mode DIRECT), as the SDK encodes it: fields in order, zero values left out (ADR-027).
 *
 * @param {{bodyBytes: Uint8Array, authInfoBytes: Uint8Array, chainId: string, accountNumber: bigint | number | object}}
 *   signDoc `accountNumber` may be anything whose text is a number, as the Long of older releases of cosmjs is
 */
export function directSignBytes({ bodyBytes, authInfoBytes, chainId, accountNumber }) {
  const number = BigInt(String(accountNumber));
  if (number < 0n || number > MAX_UINT64) throw invalid("the account number is no uint64");
  return Buffer.concat([
    ...bytesField(1, bodyBytes),
    ...bytesField(2, authInfoBytes),
    ...bytesField(3, Buffer.from(chainId, "utf8")),
    ...(number === 0n ? [] : [Buffer.of(4 << 3), varint(number)]),
  ]);
}

/**
 * The bytes of a `StdSignDoc` (sign mode LEGACY_AMINO_JSON), as the SDK's Go writes them: members sorted by their names,
 * no spaces, and `<`, `>`, `&`, U+2028 and U+2029 escaped. Members that are undefined are left out, as in JSON.stringify.
 */
export function aminoSignBytes(signDoc) {
  return Buffer.from(canonical(signDoc, 0), "utf8");
}

function bytesField(number, bytes) {
  if (!(bytes instanceof Uint8Array)) throw invalid(`field ${number} of the sign document is not bytes`);
  return bytes.length === 0 ? [] : [Buffer.of((number << 3) | 2), varint(BigInt(bytes.length)), bytes];
}

function varint(value) {
  const bytes = [];
  for (; value > 127n; value >>= 7n) bytes.push(Number(value & 127n) | 128);
  return Buffer.from([...bytes, Number(value)]);
}

function canonical(value, depth) {
  if (depth > MAX_DEPTH) throw invalid("the sign document is nested too deeply");
  if (typeof value === "string") return quoted(value);
  if (value === null || typeof value === "boolean" || Number.isSafeInteger(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, depth + 1)).join(",")}]`;
  if (typeof value === "object") {
    // Not by JSON.stringify of a sorted object: names that look like numbers always come first there.
    const members = Object.keys(value)
      .filter((name) => value[name] !== undefined)
      .sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
      .map((name) => `${quoted(name)}:${canonical(value[name], depth + 1)}`);
    return `{${members.join(",")}}`;
  }
  throw invalid(`amino JSON has no ${typeof value} such as this one`);
}

function quoted(text) {
  return JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function invalid(message) {
  return new BridgeError("sign_doc_invalid", message);
}
