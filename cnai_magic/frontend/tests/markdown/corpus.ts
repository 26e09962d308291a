import shared from "../../../../tests/xss_corpus.json";

/** Answers that try to run code, load something or link where an answer must not. */
const html = [
  "<script>alert(1)</script>", "<SCRIPT SRC=//evil.example/x.js></SCRIPT>", "<scr<script>ipt>alert(1)</scr</script>ipt>",
  "<script\n>alert(1)</script\n>", "<img src=x onerror=alert(1)>", "<IMG SRC=`javascript:alert(1)`>",
  "<img/src='x'/onerror='alert(1)'>", '"><img src=x onerror=alert(1)>', "<svg onload=alert(1)>",
  "<svg><script>alert(1)</script></svg>", '<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>',
  "<svg><animate onbegin=alert(1) attributeName=x dur=1s></svg>", "<svg><use href=data:image/svg+xml;base64,PHN2Zz4=></svg>",
  '<math href="javascript:alert(1)">x</math>', '<math><maction xlink:href="javascript:alert(1)">x</maction></math>',
  "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
  '<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>',
  '<noscript><p title="</noscript><img src=x onerror=alert(1)>">', "<svg></p><style><a id=\"</style><img src=1 onerror=alert(1)>\">",
  "<iframe src=javascript:alert(1)></iframe>", '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
  "<object data=javascript:alert(1)></object>", "<embed src=https://evil.example/x.swf>", "<body onload=alert(1)>",
  "<details open ontoggle=alert(1)>", "</details>\n\n<script>alert(1)</script>", "<video><source onerror=alert(1)></video>",
  "<input autofocus onfocus=alert(1)>", "<form action=javascript:alert(1)><button>x</button></form>",
  "<a href=javascript:alert(1)>x</a>", "<style>@import 'https://evil.example/x.css';</style>",
  '<meta http-equiv="refresh" content="0;url=javascript:alert(1)">', '<base href="javascript:/a/-alert(1)//">',
  '<div style="position:fixed;inset:0">x</div>', "<template><script>alert(1)</script></template>",
  "<!--><script>alert(1)</script>-->", "<![CDATA[<script>alert(1)</script>]]>", "<?php ?><script>alert(1)</script>",
  "<x onclick=alert(1)>y</x>", "&lt;script&gt;alert(1)&lt;/script&gt;", "\\<img src=x onerror=alert(1)>",
  "**<img src=x onerror=alert(1)>**", "# <script>alert(1)</script>", "> <script>alert(1)</script>",
  "- <img src=x onerror=alert(1)>\n  - <svg onload=alert(1)>", "| a | <img src=x onerror=alert(1)> |\n|---|---|\n| <svg onload=alert(1)> | `<b>` |",
  "```html\n</code></pre><script>alert(1)</script>\n```", '```"><img/src=x/onerror=alert(1)>\nx\n```', "`<script>alert(1)</script>`",
  "    <script>alert(1)</script>", "a\u0000<script\u0000>alert(1)</script>", "a\r<script>alert(1)</script>\r\n<img src=x onerror=alert(1)>",
  "$$\n<img src=x onerror=alert(1)>\n$$", "\\[ <img src=x onerror=alert(1)> \\]",
];
const targets = [
  "javascript:alert(1)", "JaVaScRiPt:alert(1)", "<javascript:alert(1)>", "< javascript:alert(1)>", "\tjavascript:alert(1)",
  "\n  javascript:alert(1)", "java\tscript:alert(1)", "<java\tscript:alert(1)>", "<java\nscript:alert(1)>", "java&Tab;script:alert(1)",
  "java&NewLine;script:alert(1)", "javascript&colon;alert(1)", "javascript&#58;alert(1)", "javascript&#x3a;alert(1)",
  "&#106;avascript:alert(1)", "&#0000106avascript:alert(1)", "&#x6A;&#x61;vascript:alert(1)", "&#1;javascript:alert(1)",
  "\u0001javascript:alert(1)", "&#x2028;javascript:alert(1)", "&nbsp;javascript:alert(1)", "javascript\\:alert(1)", "\\javascript:alert(1)",
  "javascript%3Aalert(1)", "javascript://example.org/%0Aalert(1)", 'javascript:alert(1) "title"', "vbscript:msgbox(1)",
  "data:text/html;base64,PHNjcmlwdD4=", "data:text/html,<script>alert(1)</script>", "DATA:image/svg+xml,<svg/onload=alert(1)>",
  "file:///etc/passwd", "blob:https://example.org/1", "view-source:javascript:alert(1)", "feed:javascript:alert(1)", "filesystem:x",
  "//evil.example/x", "/api/kernels", "../x", "?x", "#x", "http:x", "https:/evil.example", "https:\\\\evil.example", "mailto://x",
  "https://example.org\u202egpj.exe", "", "<>", "tel:1", "ws://x.example", "ms-word:x", "jar:https://x", "HTTPS&colon;//",
];
const other = [
  '[x](https://example.org "\\" onmouseover=\\"alert(1)")', "[x](https://example.org '\" onmouseover=\"alert(1)')",
  '[x](https://example.org/"onmouseover="alert(1))', '[x](<https://example.org/"onmouseover=alert(1)>)',
  "[a [b](javascript:alert(1)) c](https://example.org)", "[![x](https://evil.example/i.png)](javascript:alert(1))",
  "[![x](javascript:alert(1))](https://example.org)", "[\\](javascript:alert(1))](javascript:alert(1))", "[`x`](javascript:alert(1))",
  "[x] (javascript:alert(1))", "[x](`)](javascript:alert(1)) `", "<javascript:alert(1)>", "<data:text/html,x>",
  "<https://example.org><script>alert(1)</script>", '<https://example.org/"onmouseover=alert(1)>', 'https://example.org/"onmouseover="alert(1)',
  "![x](https://evil.example/track.png)", "![x](x)", '![x](https://evil.example/x "\\" onerror=alert(1)")', '![" onerror=alert(1) "](https://evil.example/x)',
  "![x][r]\n\n[r]: https://evil.example/track.png", "[x]: javascript:alert(1)\n\n[x]", "[x][y]\n\n[y]: javascript:alert(1)",
  "[__proto__](javascript:alert(1)) &constructor; &__proto__;",
];
export const corpus = [
  ...html,
  ...targets.flatMap((target) => [`[x](${target})`, `![x](${target})`, `a **[x](${target})** b`]),
  ...other,
  // Those that the tests of the final output use.
  ...Object.values(shared).flat(),
];
