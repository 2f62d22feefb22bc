// The script to paste where the application cannot be installed: the very modules of the application, in one piece of ES5 (which
// every JavaScript mode of an instance runs). `--write` puts it into by-hand.md; a test holds the page to it.
import { readFileSync, writeFileSync } from 'node:fs'
import ts from 'typescript'

const PAGE = new URL('../by-hand.md', import.meta.url)
const BLOCK = /(<!-- script -->\n```javascript\n)[\s\S]*?(```\n<!-- \/script -->)/
const MODULES = ['signature', 'event', 'delivery', 'outbox']
const OPTIONS = { target: ts.ScriptTarget.ES5, module: ts.ModuleKind.ESNext, removeComments: true }

export function pasted() {
    const parts = MODULES.map((name) => {
        const source = readFileSync(new URL(`../src/server/${name}.ts`, import.meta.url), 'utf8')
        const { outputText } = ts.transpileModule(source, { compilerOptions: OPTIONS })
        return outputText.replace(/^import .*\n/gm, '').replace(/^export /gm, '').trimEnd()
    })
    const body = parts.join('\n').replace(/^(?=.)/gm, '    ')
    return `var ReregisterOutbox = (function () {
    var RESTMessageV2 = sn_ws.RESTMessageV2;
${body}
    return { ticketApproved: ticketApproved, tryAgain: tryAgain, sendDue: sendDue, attestProof: attestProof, keepOrder: keepOrder };
})();
`
}

export function onThePage() {
    return BLOCK.exec(readFileSync(PAGE, 'utf8'))[0]
}

export function asBlock() {
    return `<!-- script -->\n\`\`\`javascript\n${pasted()}\`\`\`\n<!-- /script -->`
}

if (process.argv.includes('--write')) {
    writeFileSync(PAGE, readFileSync(PAGE, 'utf8').replace(BLOCK, () => asBlock()))
}
