// Node.js 18, as Debian 12 has it, keeps the Web Cryptography API in a module; the libraries look for it in the global scope.
import { webcrypto } from "node:crypto"

globalThis.crypto ??= webcrypto
globalThis.CryptoKey ??= webcrypto.CryptoKey
