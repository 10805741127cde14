// Where the agent's socket is, and whether that place belongs to this user alone (docs/agent.md).
import { closeSync, constants, existsSync, fstatSync, lstatSync, openSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { BridgeError, peerFailed } from "./errors.js";

const OTHERS = 0o077;

/** The path of this user's agent's socket. */
export function socketPath(env = process.env) {
  const named = env.KEYRING_BRIDGE_SOCKET;
  if (named) {
    if (!isAbsolute(named) || named.endsWith("/")) {
      throw new BridgeError("config_invalid", "$KEYRING_BRIDGE_SOCKET is not the absolute path of a socket");
    }
    return named;
  }
  for (const base of [env.XDG_RUNTIME_DIR, env.XDG_STATE_HOME]) {
    if (base && isAbsolute(base)) return join(base, "keyring-bridge", "agent.sock");
  }
  return join(env.HOME || homedir(), ".local", "state", "keyring-bridge", "agent.sock");
}

/**
 * Find a socket behind which nobody else can be.
 *
 * Node.js does not tell who is at the other end of a connection. It need not: only the owner of the folder, who is this
 * user or root, can put a socket there, because the folder is 0700. It is opened, so that it stays the one that was
 * looked at.
 *
 * @returns {{address: string, close: () => void}} what to connect to until it is closed
 * @throws {BridgeError} nobody listens there, or the folder or the socket is somebody else's, or others have access
 */
export function openPlace(path, user = process.geteuid()) {
  const socket = resolve(path);
  const folder = dirname(socket);
  const unsafe = (why) => peerFailed(`the socket ${socket} is not safe to use: ${why}`);
  let descriptor = null;
  try {
    if (lstatSync(folder).isSymbolicLink()) throw unsafe(`${folder} is a symbolic link`);
    descriptor = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    const owned = fstatSync(descriptor);
    if (!isOurs(owned, user)) throw unsafe(`${folder} belongs to uid ${owned.uid}`);
    if (owned.mode & OTHERS) throw unsafe(`others have access to ${folder}, expected 0700`);
    // The kernel takes paths of 108 bytes at most for sockets, so this also serves long ones.
    const through = `/proc/self/fd/${descriptor}`;
    const address = existsSync(through) ? `${through}/${basename(socket)}` : socket;
    const found = lstatSync(address);
    if (found.isSymbolicLink()) throw unsafe(`${basename(socket)} is a symbolic link`);
    if (!found.isSocket()) throw unsafe(`${basename(socket)} is not a socket`);
    if (!isOurs(found, user)) throw unsafe(`it belongs to uid ${found.uid}`);
    return { address, close: () => closeSync(descriptor) };
  } catch (error) {
    if (descriptor !== null) closeSync(descriptor);
    if (error instanceof BridgeError) throw error;
    throw peerFailed(`no bridge listens on ${socket}: ${error.code ?? error.message}`, error);
  }
}

function isOurs(stats, user) {
  return stats.uid === user || stats.uid === 0;
}
