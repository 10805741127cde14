import { Buffer } from "node:buffer";
import { BridgeError, fromWire, peerFailed } from "./errors.js";
import { FRAMINGS, FrameReader, frame } from "./framing.js";
import { socketPath } from "./place.js";
import { openProcess, openSocket } from "./transports.js";

const PROTOCOL_VERSION = 1;
const DEADLINE_MS = 30000;
const GRACE_MS = 2000; // how much longer a call waits for the bridge to say that the deadline passed
const NAME = Object.freeze({ name: "keyring-bridge-js", version: "0.1.0" });

/**
 * The bridge, over a plugin process or a socket. Calls may run side by side.
 *
 *     const client = await KeyringClient.spawn();
 *     try {
 *       console.log(await client.key("ops"));
 *     } finally {
 *       await client.close();
 *     }
 */
export class KeyringClient {
  #open;
  #again;
  #framing;
  #deadlineMs;
  #connection = null; // promise of the connection in use
  #nextId = 1;
  #closed = false;

  /** Not for callers; see spawn, attach and agent. */
  constructor(open, { again, framing = "newline", deadlineMs = DEADLINE_MS }) {
    if (!FRAMINGS.includes(framing)) throw new TypeError(`framing is one of ${FRAMINGS.join(", ")}`);
    this.#open = open;
    this.#again = again;
    this.#framing = framing;
    this.#deadlineMs = deadlineMs;
  }

  /**
   * Start a plugin process; close the client to end it.
   *
   * @param {string[]} command the program and its arguments
   * @param {{env?: object, cwd?: string, framing?: string, deadlineMs?: number}} options
   */
  static async spawn(command = ["keyring-plugin"], { env, cwd, ...options } = {}) {
    return KeyringClient.#connected(() => openProcess(command, { env, cwd }), { ...options, again: false });
  }

  /**
   * Connect to a bridge that listens on a unix socket. When that one has ended, the next call connects anew.
   *
   * @param {string} path
   * @param {{framing?: string, deadlineMs?: number}} options
   */
  static async attach(path, options = {}) {
    return KeyringClient.#connected(() => openSocket(path), { ...options, again: true });
  }

  /** Connect to this user's agent, which `keyring-plugin agent start` or `unlock` has started. */
  static async agent(options = {}) {
    return KeyringClient.attach(socketPath(), options);
  }

  static async #connected(open, options) {
    const client = new KeyringClient(open, options);
    try {
      await client.handshake();
    } catch (error) {
      await client.close();
      throw error;
    }
    return client;
  }

  /**
   * Call any method of the protocol.
   *
   * @param {string} method
   * @param {object} params by name; those that are undefined are left out
   * @param {{deadlineMs?: number}} options
   * @returns {Promise<any>} the result as it came
   * @throws {BridgeError} with the bridge's own `code`; `deadline_exceeded` if no answer came in time, `peer_failed` if
   *   the bridge is gone (whether it did what was asked is not known then: the audit log has it)
   */
  async call(method, params = {}, { deadlineMs = this.#deadlineMs } = {}) {
    const connection = await this.#current();
    return connection.call(this.#nextId++, method, { ...params, deadline_ms: deadlineMs }, deadlineMs + GRACE_MS);
  }

  /** What the bridge said of itself. */
  async handshake() {
    return (await this.#current()).server;
  }

  /** A key by its name: `{record, address, key_type, …}` (docs/protocol.md). */
  async key(uid) {
    return this.call("keyring.key", { uid });
  }

  /** Every key. */
  async list() {
    return this.call("keyring.list");
  }

  /**
   * Sign the sign bytes of a transaction, if the policy allows what they say.
   *
   * @param {string} uid name of the key
   * @param {Uint8Array} signBytes unhashed
   * @param {string} mode such as `SIGN_MODE_DIRECT`
   * @returns {Promise<{signature: Uint8Array, publicKey: object, correlationId: string}>} r and s, 64 bytes, low s
   */
  async sign(uid, signBytes, mode, options) {
    const answer = await this.call("keyring.sign", { uid, msg: Buffer.from(signBytes).toString("base64"), mode }, options);
    const signature = Buffer.from(String(answer?.signature), "base64");
    if (signature.length !== 64) throw peerFailed("the bridge sent something that is no signature");
    return { signature: new Uint8Array(signature), publicKey: answer.pub_key, correlationId: answer.correlation_id };
  }

  /** Say goodbye; calls under way still get their answers. */
  async close() {
    this.#closed = true;
    const connection = await this.#connection?.catch(() => null);
    await connection?.close();
  }

  async #current() {
    if (this.#closed) throw peerFailed("the client was closed");
    const known = this.#connection;
    const now = await known?.catch(() => null);
    // Of calls that came together the first one connects, and the others find its promise.
    if ((!now || (now.ended && this.#again)) && this.#connection === known) this.#connection = this.#connect();
    return this.#connection;
  }

  async #connect() {
    const connection = new Connection(await this.#open(), this.#framing);
    try {
      const params = { protocol_version: PROTOCOL_VERSION, client: NAME };
      connection.server = await connection.call(this.#nextId++, "bridge.handshake", params, this.#deadlineMs + GRACE_MS);
      if (connection.server?.protocol_version !== PROTOCOL_VERSION) {
        throw new BridgeError("version_unsupported", "the bridge speaks no version of the protocol that this client speaks");
      }
    } catch (error) {
      await connection.close();
      throw error;
    }
    return connection;
  }
}

/** Calls over one transport, answers matched by id. */
class Connection {
  server = null;
  ended = null; // the error of every call, once there is one
  #transport;
  #framing;
  #waiting = new Map();

  constructor(transport, framing) {
    this.#transport = transport;
    this.#framing = framing;
    const reader = new FrameReader(framing);
    transport.output.on("data", (data) => {
      try {
        for (const message of reader.feed(data)) this.#deliver(message);
      } catch (error) {
        this.#fail(error);
        transport.output.destroy();
      }
    });
    // Not when a process has ended: answers may still be in the pipe then.
    transport.output.on("close", async () => this.#fail(peerFailed(await transport.ended)));
    // The end of the output tells more than a failed write.
    for (const stream of [transport.input, transport.output]) stream.on("error", () => {});
  }

  call(id, method, params, patienceMs) {
    return new Promise((settle, fail) => {
      if (this.ended) throw this.ended;
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        this.#send({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id } });
        fail(new BridgeError("deadline_exceeded", `the bridge did not answer ${method} in time`, { retryable: true }));
      }, patienceMs);
      this.#waiting.set(id, { settle, fail, timer });
      this.#send({ jsonrpc: "2.0", id, method, params });
    });
  }

  async close() {
    this.#transport.input.end();
    await this.#transport.end();
    this.#fail(peerFailed("the client was closed"));
  }

  #send(message) {
    if (this.#transport.input.writable) this.#transport.input.write(frame(message, this.#framing));
  }

  #deliver(message) {
    const isError = message !== null && typeof message === "object" && "error" in message;
    if (!isError && !(message !== null && typeof message === "object" && "result" in message)) {
      throw peerFailed("the bridge sent something that does not follow the protocol");
    }
    // An error without an id may be of any call that waits.
    const ids = message.id === null && isError ? [...this.#waiting.keys()] : [message.id];
    for (const id of ids) {
      const call = this.#waiting.get(id);
      if (!call) continue; // nobody waits for it any more
      this.#waiting.delete(id);
      clearTimeout(call.timer);
      if (isError) call.fail(fromWire(message.error));
      else call.settle(message.result);
    }
  }

  #fail(error) {
    this.ended ??= error;
    for (const { fail, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      fail(this.ended);
    }
    this.#waiting.clear();
  }
}
