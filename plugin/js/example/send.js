// A bank send with @cosmjs/stargate whose key stays with the bridge.
//
//   npm install @cosmjs/stargate
//   node example/send.js --rpc http://127.0.0.1:26657 --key ops --to ve1… --coins 250000uve
//
// --amino signs amino JSON instead of DIRECT, --agent asks the agent instead of a plugin process of our own.
import { parseArgs } from "node:util";
import { SigningStargateClient, coin } from "@cosmjs/stargate";
import { BridgeAminoSigner, BridgeDirectSigner, KeyringClient } from "../src/index.js";

const text = { type: "string" };
const flag = { type: "boolean", default: false };
const { values } = parseArgs({
  options: { rpc: text, key: text, to: text, coins: text, memo: { ...text, default: "" }, amino: flag, agent: flag },
});

async function main() {
  const [, amount, denom] = /^([0-9]+)(\S+)$/.exec(values.coins ?? "") ?? [];
  if (!values.rpc || !values.key || !values.to || !denom) throw new Error("--rpc, --key, --to and --coins are needed");
  // What $KEYRING_BRIDGE_PLUGIN names instead of keyring-plugin, split at spaces.
  const plugin = (process.env.KEYRING_BRIDGE_PLUGIN ?? "keyring-plugin").split(" ");
  const client = await (values.agent ? KeyringClient.agent() : KeyringClient.spawn(plugin));
  try {
    const signer = values.amino ? new BridgeAminoSigner(client, values.key) : new BridgeDirectSigner(client, values.key);
    const [{ address }] = await signer.getAccounts();
    const chain = await SigningStargateClient.connectWithSigner(values.rpc, signer, { broadcastPollIntervalMs: 500 });
    try {
      const fee = { amount: [coin("5000", denom)], gas: "200000" };
      const sent = await chain.sendTokens(address, values.to, [coin(amount, denom)], fee, values.memo);
      console.log(JSON.stringify({ sender: address, code: sent.code, height: sent.height, hash: sent.transactionHash }));
    } finally {
      chain.disconnect();
    }
  } finally {
    await client.close();
  }
}

main().catch((error) => {
  console.error(`not sent: ${error.message}${error.code ? ` [${error.code}]` : ""}`);
  process.exitCode = 1;
});
