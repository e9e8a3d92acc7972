// Opens a report in Chromium as a reader would: both themes, two widths; nothing may come from the network, nothing may fail,
// nothing may stick out; charts answer to pointer and keyboard; the page works without scripts and prints.
//
//     node tests/web/report_test.mjs REPORT.html [SCREENSHOT_FOLDER]
//
// Needs playwright-core (web/node_modules) and a Chromium (CHROMIUM, or chromium on the path). Ends with "N passed, N failed".
import {createRequire} from "node:module";
import {existsSync} from "node:fs";
import {resolve} from "node:path";
import {pathToFileURL} from "node:url";

const require = createRequire(new URL("../../web/package.json", import.meta.url));
const {chromium} = require("playwright-core");
const [report, shots] = process.argv.slice(2);
const executablePath = process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
let passed = 0, failed = 0;
function check(name, ok, detail = "") {
  if (ok) passed++;
  else failed++, console.log(`FAILED ${name} ${detail}`);
}

const browser = await chromium.launch({executablePath, args: ["--no-sandbox"]});
const url = pathToFileURL(resolve(report)).href;

async function open(options, hash = "") {
  const page = await browser.newPage(options);
  const trouble = [];
  page.on("pageerror", (error) => trouble.push(error.message));
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && trouble.push(message.text()));
  page.on("request", (request) => /^https?:|^ws/.test(request.url()) && trouble.push("network: " + request.url()));
  await page.goto(url + hash);
  if (options.javaScriptEnabled !== false) await page.waitForFunction(() => document.documentElement.dataset.drawn === "yes");
  return {page, trouble};
}

for (const colorScheme of ["light", "dark"])
  for (const width of [1280, 390]) {
    const name = `${colorScheme}, ${width} px`;
    const {page, trouble} = await open({viewport: {width, height: 900}, colorScheme});
    check(`${name}: no errors, no network`, trouble.length === 0, trouble.join("; "));
    check(`${name}: nothing sticks out`, await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth));
    check(`${name}: heat maps are drawn`, (await page.locator("#heatmaps svg[role=img]").count()) > 0);
    check(`${name}: every chart has text`, await page.evaluate(() => [...document.querySelectorAll("#schemes svg, #bylayer svg")].every((s) => s.querySelector("text"))));
    if (shots) await page.screenshot({path: `${shots}/report-${colorScheme}-${width}.png`, fullPage: true});
    await page.close();
  }

{
  const {page} = await open({viewport: {width: 1280, height: 900}});
  const cell = page.locator("#heatmaps svg[role=img] g[aria-label=rect] rect").nth(3);
  await cell.scrollIntoViewIfNeeded();
  await cell.hover({force: true});
  const tip = page.locator("#heatmaps svg[role=img] g[aria-label=tip]").first();
  check("pointing at a cell names layer, expert and projection", /layer \d+, expert \d+/.test(await tip.textContent()), await tip.textContent());
  await cell.click({force: true});
  check("a click keeps the cell", /layer \d+, expert \d+/.test(await page.locator("#picked").textContent()));
  check("and puts it into the address", /#layer\d+\/expert\d+\//.test(page.url()), page.url());
  const bar = await page.locator("#heatmaps svg.bar text").allTextContents();
  check("the colour bar names its metric, both ends and the middle", bar.length === 4 && bar.slice(0, 3).every((t) => /\d/.test(t)) && bar[3] === "rms", bar.join("; "));
  await page.selectOption("#metric", "max_abs");
  check("another metric redraws the maps", (await page.locator("#heatmaps svg[role=img]").first().getAttribute("aria-label")).startsWith("max |w|"));
  const row = page.locator("tr[data-i]").first();
  if (await row.count()) {
    await row.focus();
    await page.keyboard.press("Enter");
    check("the keyboard reaches a row", await row.evaluate((r) => r.classList.contains("hit")));
  }
  await page.close();
}
{
  const {page} = await open({javaScriptEnabled: false, viewport: {width: 1280, height: 900}});
  check("without scripts the numbers stand as tables", (await page.locator("table").count()) >= 2 && (await page.locator("h2").count()) >= 4);
  const pdf = await page.pdf({format: "A4"});
  check("it prints", pdf.length > 10000);
  await page.close();
}
await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
