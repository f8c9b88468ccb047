// Checks OpenAPI documents, and what a server really answered against them.
// Usage: node openapi.mjs FILE. The file is a JSON list of servers:
//   { name, document, base, exchanges: [{ method, url, sent, status, headers, body }], unseen: ["METHOD path status"] }
// Prints "as expected", or everything that is not.

import { readFile } from "node:fs/promises"
import { Validator } from "@seriousme/openapi-schema-validator"
import { Ajv2020 } from "ajv/dist/2020.js"

const problems = []

for (const server of JSON.parse(await readFile(process.argv[2], "utf8"))) {
  const complain = (text) => problems.push(`${server.name}: ${text}`)
  const validity = await new Validator().validate(structuredClone(server.document))
  if (!validity.valid) complain(`not an OpenAPI document: ${JSON.stringify(validity.errors)}`)
  check(server, complain)
}
console.log(problems.length === 0 ? "as expected" : problems.join("\n"))
process.exitCode = problems.length === 0 ? 0 : 1

function check(server, complain) {
  const document = strict(structuredClone(server.document))
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false })
  ajv.addSchema({ $id: "https://claviger.test/document", ...document })
  const compiled = new Map()
  const conforms = (pointer, value) => {
    if (!compiled.has(pointer)) compiled.set(pointer, ajv.compile({ $ref: `https://claviger.test/document#${pointer}` }))
    const validate = compiled.get(pointer)
    return validate(value) ? null : ajv.errorsText(validate.errors)
  }
  const templates = Object.keys(document.paths).map(template)
  const seen = new Set()
  for (const exchange of server.exchanges) {
    const path = new URL(exchange.url).pathname
    const at = (path) => templates.filter(({ pattern }) => pattern.test(path)).sort((a, b) => a.holes - b.holes)[0]
    // Where the admin port answers for programs made for version 1.
    const found = at(path) ?? at(`/admin${path}`)
    const method = exchange.method.toLowerCase()
    const operation = found && document.paths[found.path][method]
    const what = `${exchange.method} ${found?.path ?? path} ${exchange.status}`
    if (!operation) {
      complain(`${what}: the document does not know the endpoint`)
      continue
    }
    seen.add(what)
    const answer = resolved(document, operation.responses[exchange.status])
    if (!answer) {
      complain(`${what}: the document does not know the status; the body was ${exchange.body.slice(0, 300)}`)
      continue
    }
    for (const name of Object.keys(answer.headers ?? {})) {
      if (exchange.headers[name.toLowerCase()] !== undefined) seen.add(`${what} ${name}`)
    }
    const fault = body(answer, exchange, (type) =>
      conforms(pointer(document, found.path, method, exchange.status, type), JSON.parse(exchange.body)),
    )
    if (fault) complain(`${what}: ${fault}; the body was ${exchange.body.slice(0, 600)}`)
    if (exchange.sent !== null && exchange.status < 300) {
      const at = `/paths/${escape(found.path)}/${method}/requestBody/content/application~1json/schema`
      const mismatch = operation.requestBody ? conforms(at, exchange.sent) : null
      if (mismatch) complain(`${what}: it took a body that is not as documented: ${mismatch}`)
    }
  }
  for (const wanted of documented(document)) {
    if (!seen.has(wanted) && !server.unseen.includes(wanted)) complain(`${wanted}: documented, but never seen`)
  }
}

// What is wrong with the body of an answer, if anything is.
function body(answer, exchange, conforms) {
  const sentType = (exchange.headers["content-type"] ?? "").split(";")[0].trim()
  if (!answer.content) return exchange.body === "" ? null : "the document knows no body"
  if (!answer.content[sentType]) return `the document does not know the type ${sentType}`
  return sentType === "application/json" ? conforms(sentType) : null
}

// Everything that must have been seen: each answer that is described for its endpoint alone, with its headers.
function* documented(document) {
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      for (const [status, answer] of Object.entries(operation.responses)) {
        if (answer.$ref) continue
        yield `${method.toUpperCase()} ${path} ${status}`
        for (const name of Object.keys(answer.headers ?? {})) yield `${method.toUpperCase()} ${path} ${status} ${name}`
      }
    }
  }
}

// Objects have the members that are described, and no others unless the schema says so.
function strict(schema) {
  if (Array.isArray(schema)) schema.forEach(strict)
  else if (schema && typeof schema === "object") {
    Object.values(schema).forEach(strict)
    const describes = schema.type === "object" && schema.properties && !schema.properties.$ref
    if (describes && schema.additionalProperties === undefined) schema.additionalProperties = false
  }
  return schema
}

function template(path) {
  const pattern = path.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(/\{[^}]+\}/g, "[^/]+")
  return { path, pattern: new RegExp(`^${pattern}$`), holes: path.split("{").length }
}

function resolved(document, answer) {
  return answer?.$ref ? document.components.responses[answer.$ref.split("/").pop()] : answer
}

function pointer(document, path, method, status, type) {
  const { $ref } = document.paths[path][method].responses[status]
  const answer = $ref ? $ref.slice(1) : `/paths/${escape(path)}/${method}/responses/${status}`
  return `${answer}/content/${escape(type)}/schema`
}

function escape(part) {
  return encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"))
}
