/** What the bridge refuses or fails with, and what goes wrong on the way to it. */
export class BridgeError extends Error {
  /**
   * @param {string} code stable; the bridge's own codes are in docs/protocol.md
   * @param {string} message for people
   * @param {{retryable?: boolean, hint?: string | null, correlationId?: string | null, cause?: unknown}} more
   *   `hint` says what can be done, `correlationId` finds the entries in the audit log
   */
  constructor(code, message, { retryable = false, hint = null, correlationId = null, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "BridgeError";
    this.code = code;
    this.retryable = retryable;
    this.hint = hint;
    this.correlationId = correlationId;
  }
}

/** The bridge is gone or does not follow the protocol. Whether it did what was asked is not known. */
export function peerFailed(message, cause) {
  return new BridgeError("peer_failed", message, { cause });
}

/** The error that an error object of the protocol tells. */
export function fromWire(error) {
  const data = error?.data ?? {};
  const text = (value) => (typeof value === "string" ? value : null);
  return new BridgeError(text(data.code) ?? "peer_failed", text(error?.message) ?? "the bridge named no reason", {
    retryable: data.retryable === true,
    hint: text(data.hint),
    correlationId: text(data.correlation_id),
  });
}
