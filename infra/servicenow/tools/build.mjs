// Builds the application and looks at what came out: the SDK reports some errors and still exits with 0, and it writes a
// reference that it cannot follow as "[object Object]".
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const sdk = join(root, 'node_modules', '@servicenow', 'sdk')
const { bin } = JSON.parse(readFileSync(join(sdk, 'package.json'), 'utf8'))

rmSync(join(root, 'dist', 'app'), { recursive: true, force: true })
const command = [join(sdk, bin['now-sdk']), 'build', ...process.argv.slice(2)]
const built = spawnSync(process.execPath, command, { cwd: root, encoding: 'utf8' })
const said = built.stdout + built.stderr
process.stdout.write(said)

const faults = built.status === 0 && !/\bERROR\b/.test(said) ? [] : ['the build reports an error']
const files = readdirSync(join(root, 'dist', 'app'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
for (const file of files) {
    const text = readFileSync(join(file.parentPath ?? file.path, file.name), 'utf8')
    // Inputs of a flow's steps are compressed.
    const inside = [...text.matchAll(/>(H4sI[A-Za-z0-9+/=]+)</g)].map(([, packed]) => gunzipSync(Buffer.from(packed, 'base64')).toString())
    if ([text, ...inside].some((part) => /\[object Object\]|\{\{static\.\}\}|=undefined\b/.test(part))) {
        faults.push(`${file.name} holds a reference that leads nowhere`)
    }
}
for (const fault of faults) {
    process.stderr.write(`${fault}\n`)
}
process.stdout.write(`${files.length} records\n`)
process.exit(faults.length === 0 && files.length > 0 ? 0 : 1)
