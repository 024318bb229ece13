// The official TypeScript client, version 1, the one most hosts contain. Its argument is that of client-v2.mjs, without
// "mode" and "versions".

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { launch, run } from './steps.mjs';

await run(async task => {
    const client = new Client({ name: 'mcpkit-tests', version: '1' });
    const transport = task.url
        ? new StreamableHTTPClientTransport(new URL(task.url))
        : new StdioClientTransport(launch(task));
    // The client tells what was negotiated to its transport only.
    let version;
    const remember = transport.setProtocolVersion?.bind(transport);
    transport.setProtocolVersion = found => {
        version = found;
        remember?.(found);
    };
    await client.connect(transport);
    return { client, transport, call: (params, options) => client.callTool(params, undefined, options), version };
});
