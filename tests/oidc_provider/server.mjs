// A real OpenID Connect provider for tests, on a port of 127.0.0.1 that is free.
//
//     node server.mjs CONFIGURATION
//
// CONFIGURATION is JSON; tests/support/oidc_provider.py writes it, and says what it holds. Prints
// "listening on URL" when it answers, a line for every request on standard error, and ends with
// its standard input: nothing is left behind by a test that was killed.

import { createServer } from 'node:http';

import Provider from 'oidc-provider';

import { accountsOf } from './accounts.mjs';
import { configurationOf } from './configuration.mjs';
import { answerInteraction } from './pages.mjs';
import { slowDownHastyDevices } from './devices.mjs';

const settings = JSON.parse(process.argv[2]);
const server = createServer();

server.listen(settings.port, '127.0.0.1', () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  const accounts = accountsOf(settings);
  const provider = new Provider(url, configurationOf(settings, accounts));
  slowDownHastyDevices(provider, settings.lifetimes.poll);
  provider.on('server_error', (context, error) => console.error(error));

  const answer = provider.callback();
  server.on('request', (request, response) => {
    const [path] = request.url.split('?');
    response.on('finish', () => console.error(request.method, path, response.statusCode));
    if (path.startsWith('/interaction/')) {
      answerInteraction(provider, accounts, request, response);
    } else {
      answer(request, response);
    }
  });
  console.log(`listening on ${url}`);
});

process.stdin.resume().on('end', () => process.exit(0));
