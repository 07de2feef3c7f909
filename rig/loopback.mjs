// HTTP servers on loopback.

/** Starts listening and resolves to the port; `port` 0 takes a free one. */
export async function listen(server, port = 0) {
  await new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  return server.address().port;
}

/** Cuts all connections and stops listening. */
export async function close(server) {
  server.closeAllConnections?.();
  await new Promise((resolve) => server.close(resolve));
}
