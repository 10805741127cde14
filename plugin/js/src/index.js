// What this package offers; see README.md.
export { KeyringClient } from "./client.js";
export { BridgeError } from "./errors.js";
export { socketPath } from "./place.js";
export { aminoSignBytes, directSignBytes } from "./signbytes.js";
export { BridgeAminoSigner, BridgeDirectSigner } from "./signers.js";
