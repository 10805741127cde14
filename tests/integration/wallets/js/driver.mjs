// Lets Python tests use plugin/js: one JSON request per line, one line for each answer: {"answer": …} or {"error": …}.
//
//   node driver.mjs PACKAGE COSMJS     the folder of plugin/js, and one with the node_modules of package-lock.json
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, packages] = process.argv.slice(2);
const source = (name) => import(pathToFileURL(join(folder, "src", name)).href);
const { BridgeAminoSigner, BridgeDirectSigner, KeyringClient, aminoSignBytes, directSignBytes } = await source("index.js");
const { FrameReader, frame } = await source("framing.js");
const { openPlace, socketPath } = await source("place.js");
const load = createRequire(join(packages, "package.json"));
const amino = load("@cosmjs/amino");
const proto = load("@cosmjs/proto-signing");

const hex = (bytes) => Buffer.from(bytes).toString("hex");
const unhex = (text) => new Uint8Array(Buffer.from(text, "hex"));
const signDoc = ({ body, info, chain, number }) => proto.makeSignDoc(unhex(body), unhex(info), chain, number);
let client = null;

async function outcome(work) {
  try {
    return { answer: (await work()) ?? null };
  } catch (error) {
    const { name, code = null, message, hint = null, retryable = null } = error;
    return { error: { name, code, message, hint, retryable } };
  }
}

const OPS = {
  spawn: async ({ command, env, ...options }) => {
    client = await KeyringClient.spawn(command, { env, ...options });
  },
  attach: async ({ path, ...options }) => {
    client = await KeyringClient.attach(path, options);
  },
  call: ({ method, params, ...options }) => client.call(method, params, options),
  together: ({ calls }) => Promise.all(calls.map(([method, params]) => outcome(() => client.call(method, params)))),
  handshake: () => client.handshake(),
  close: () => client.close(),
  place: ({ env }) => socketPath(env),
  openPlace: ({ path, user }) => openPlace(path, user).close(),
  accounts: async ({ keys }) => {
    const accounts = await new BridgeDirectSigner(client, ...keys).getAccounts();
    return accounts.map(({ pubkey, ...account }) => ({ ...account, pubkey: hex(pubkey) }));
  },
  signDirect: async ({ key, address, doc }) =>
    (await new BridgeDirectSigner(client, key).signDirect(address, signDoc(doc))).signature,
  signAmino: async ({ key, address, doc }) => (await new BridgeAminoSigner(client, key).signAmino(address, doc)).signature,
  frame: ({ message, framing }) => hex(frame(message, framing)),
  read: ({ framing, pieces }) => {
    const reader = new FrameReader(framing);
    return pieces.flatMap((piece) => reader.feed(Buffer.from(piece, "hex")));
  },
  direct: ({ doc }) => ({ ours: hex(directSignBytes(signDoc(doc))), cosmjs: hex(proto.makeSignBytes(signDoc(doc))) }),
  amino: ({ doc }) => ({ ours: hex(aminoSignBytes(doc)), cosmjs: hex(amino.serializeSignDoc(doc)) }),
  ours: ({ doc }) => hex(aminoSignBytes(doc)),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...request } = JSON.parse(line);
  console.log(JSON.stringify(await outcome(() => OPS[op](request))));
}
// A client that is left open would keep the program running.
await client?.close();
