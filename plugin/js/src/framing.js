// Where a message begins and ends in a stream of bytes (docs/protocol.md). No I/O here.
import { Buffer } from "node:buffer";
import { peerFailed } from "./errors.js";

const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;
const MAX_HEADER_BYTES = 4096;
const LINE_FEED = 0x0a;
const HEADER_END = "\r\n\r\n";

/** The framings, by the names that the handshake tells. */
export const FRAMINGS = Object.freeze(["newline", "content-length"]);

/** The bytes that carry a message. */
export function frame(message, framing) {
  // JSON.stringify writes no line break.
  const body = Buffer.from(JSON.stringify(message), "utf8");
  if (framing === "newline") return Buffer.concat([body, Buffer.of(LINE_FEED)]);
  return Buffer.concat([Buffer.from(`Content-Length: ${body.length}${HEADER_END}`, "latin1"), body]);
}

/** Finds the messages in a stream of one framing. */
export class FrameReader {
  #framing;
  #chunks = [];
  #length = 0;
  #body = -1; // length of the body that is being read; -1 in a header

  constructor(framing) {
    this.#framing = framing;
  }

  /**
   * Take the next bytes; return the messages that are complete now.
   *
   * @param {Buffer} data
   * @returns {unknown[]} parsed
   * @throws {BridgeError} they cannot be read; nothing can be found in the stream any more
   */
  feed(data) {
    this.#chunks.push(data);
    this.#length += data.length;
    // Joined only when something may be complete: a long message comes in many pieces.
    if (this.#framing === "newline" ? !data.includes(LINE_FEED) : this.#length < this.#body) {
      if (this.#length > MAX_MESSAGE_BYTES) throw peerFailed("the bridge sent a message that is too long");
      return [];
    }
    let rest = Buffer.concat(this.#chunks);
    const messages = [];
    for (let next; (next = this.#next(rest)) !== null; rest = rest.subarray(next.end)) {
      if (next.body !== null) messages.push(parse(next.body));
    }
    this.#chunks = [rest];
    this.#length = rest.length;
    return messages;
  }

  #next(bytes) {
    if (this.#framing === "newline") {
      const end = bytes.indexOf(LINE_FEED);
      return end < 0 ? null : { body: bytes.subarray(0, end), end: end + 1 };
    }
    if (this.#body < 0) {
      const end = bytes.indexOf(HEADER_END);
      if (end > MAX_HEADER_BYTES || (end < 0 && bytes.length > MAX_HEADER_BYTES)) throw peerFailed("no header");
      if (end < 0) return null;
      this.#body = contentLength(bytes.toString("latin1", 0, end));
      return { body: null, end: end + HEADER_END.length };
    }
    if (bytes.length < this.#body) return null;
    const end = this.#body;
    this.#body = -1;
    return { body: bytes.subarray(0, end), end };
  }
}

function contentLength(header) {
  const length = Number(/^content-length: *([0-9]{1,9}) *$/im.exec(header)?.[1] ?? Number.NaN);
  if (!(length <= MAX_MESSAGE_BYTES)) throw peerFailed("the bridge sent a header without a usable length");
  return length;
}

function parse(body) {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (cause) {
    throw peerFailed("the bridge sent something that is no JSON", cause);
  }
}
