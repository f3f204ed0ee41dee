// The part of RFC 8628 that `oidc-provider` leaves to others: how often a device may ask.

export function slowDownHastyDevices(provider, interval) {
  const askedAt = new Map();

  provider.use(async (context, next) => {
    await next();
    const { body, oidc } = context;
    if (body?.device_code) {
      body.interval = interval;
    } else if (body?.error === 'authorization_pending') {
      const code = oidc.params.device_code;
      const now = performance.now();
      if (now - (askedAt.get(code) ?? -Infinity) < interval * 1000) {
        body.error = 'slow_down';
        body.error_description = 'the device asks too often';
      }
      askedAt.set(code, now);
    }
  });
}
