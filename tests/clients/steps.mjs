// What both clients can be told to do. Every step leaves one entry in `seen`: its result, or {"error": {…}}.

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const DEADLINE = 20_000;

export const launch = ({ command: [program, ...args], env }) => ({
    command: program,
    args,
    env: { ...process.env, ...env }
});

const failure = ({ name, code, message, data }) => ({ error: { name, code, message, data } });

const attempt = work => work.catch(failure);

// CPU time a process has used, in clock ticks.
function ticks(pid) {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1).split(' ');
    return Number(fields[11]) + Number(fields[12]);
}

async function eventually(pid, window, enough) {
    for (const end = Date.now() + DEADLINE; Date.now() < end; ) {
        const before = ticks(pid);
        await sleep(window);
        if (enough(ticks(pid) - before)) return true;
    }
    return false;
}

const busy = pid => eventually(pid, 100, used => used >= 3);
const atRest = pid => eventually(pid, 200, used => used <= 4);

const steps = {
    ping: ({ client }) => client.ping(),
    list: ({ client }) => client.listTools(),
    call: ({ call }, { name, args, meta }) => call({ name, arguments: args, ...(meta && { _meta: meta }) }),

    // Calls of `add`, all under way together.
    many: async ({ call }, { count }) => {
        const calls = Array.from({ length: count }, (_, n) => call({ name: 'add', arguments: { a: n, b: 1 } }));
        return (await Promise.all(calls)).map(result => result.structuredContent.result);
    },

    // An endless call, cancelled once the server is at work on it.
    cancel: async ({ call, pid }, { name, args }) => {
        const abort = new AbortController();
        const outcome = attempt(call({ name, arguments: args }, { signal: abort.signal, timeout: 60_000 }));
        const worked = await busy(pid);
        abort.abort('enough');
        return { worked, outcome: await outcome, stopped: await atRest(pid) };
    }
};

export async function run(connect) {
    const task = JSON.parse(process.argv[2]);
    const report = { seen: [], stray: [] };
    try {
        const peer = await connect(task);
        const { client, transport, version, discovered } = peer;
        client.onerror = error => report.stray.push(String(error));
        peer.pid = transport.pid ?? task.pid;
        report.version = version;
        report.discovered = discovered;
        report.server = client.getServerVersion();
        report.capabilities = client.getServerCapabilities();
        report.instructions = client.getInstructions();
        for (const step of task.steps) report.seen.push(await attempt(steps[step.do](peer, step)));
        report.session = transport.sessionId ?? null;
        if (report.session) await transport.terminateSession();
        await client.close();
    } catch (error) {
        report.failed = { ...failure(error).error, stack: error.stack };
    }
    process.stdout.write(JSON.stringify(report));
}
