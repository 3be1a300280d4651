import { createServer } from 'node:http';

// `node web-app.ts PORT NAME`: an application as pods have them. It answers each request with its name, and ends on SIGTERM when all are answered.

const [port, name] = process.argv.slice(2);
const server = createServer((_, response) => response.end(name));
server.keepAliveTimeout = 600_000;
server.listen(Number(port), '127.0.0.1', () => console.log('listening'));
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
