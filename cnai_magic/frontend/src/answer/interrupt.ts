/** The notebook server's own way to interrupt a kernel, same-origin only. */

export interface Page {
  configuration: string | null;
  bodyBaseUrl: string | undefined;
  cookie: string;
  location: string;
}

export interface InterruptRequest {
  url: string;
  headers: Record<string, string>;
}

/** The request that interrupts a kernel, or null where this page has no such server or the kernel is unknown. */
export function buildInterruptRequest(page: Page, kernelId: string): InterruptRequest | null {
  const base = readBaseUrl(page.configuration) ?? page.bodyBaseUrl;
  if (!base || !/^[\w-]{1,100}$/.test(kernelId)) return null;
  let url: URL;
  try {
    const folder = new URL(base.endsWith("/") ? base : `${base}/`, page.location);
    if (folder.origin !== new URL(page.location).origin || !/^https?:$/.test(folder.protocol)) return null;
    url = new URL(`api/kernels/${kernelId}/interrupt`, folder);
  } catch {
    return null;
  }
  const token = /(?:^|;\s*)_xsrf=([^;]*)/.exec(page.cookie)?.[1];
  return { url: url.href, headers: token ? { "X-XSRFToken": token } : {} };
}

/** Interrupt a kernel as the notebook's own button does; null where there is no way to. */
export function interruptKernel(kernelId: string): Promise<boolean> | null {
  const request = buildInterruptRequest(
    {
      configuration: document.getElementById("jupyter-config-data")?.textContent ?? null,
      bodyBaseUrl: document.body.dataset.baseUrl,
      cookie: document.cookie,
      location: window.location.href,
    },
    kernelId,
  );
  if (request === null) return null;
  const options: RequestInit = { method: "POST", credentials: "same-origin", redirect: "error", headers: request.headers };
  return fetch(request.url, options).then((response) => response.ok);
}

function readBaseUrl(configuration: string | null): string | undefined {
  try {
    const { baseUrl } = JSON.parse(configuration ?? "{}") as { baseUrl?: unknown };
    return typeof baseUrl === "string" && baseUrl ? baseUrl : undefined;
  } catch {
    return undefined;
  }
}
