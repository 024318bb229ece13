// The official TypeScript client, version 2. Its one argument is a JSON object:
//   {"url": …} or {"command": […], "env": {…}}; "mode": "legacy" | "auto" | {"pin": …}; "versions"?: […]; "steps": […]
// It takes the steps in order on one connection and prints one JSON object of what it saw.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { launch, run } from './steps.mjs';

await run(async task => {
    const options = { versionNegotiation: { mode: task.mode } };
    if (task.versions) options.supportedProtocolVersions = task.versions;
    const client = new Client({ name: 'mcpkit-tests', version: '2' }, options);
    const transport = task.url
        ? new StreamableHTTPClientTransport(new URL(task.url))
        : new StdioClientTransport(launch(task));
    await client.connect(transport);
    return {
        client,
        transport,
        call: (params, options) => client.callTool(params, options),
        version: client.getNegotiatedProtocolVersion(),
        discovered: client.getDiscoverResult()
    };
});
