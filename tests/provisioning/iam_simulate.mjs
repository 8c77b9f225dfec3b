// Reads simulations as JSON from standard input, and writes each one's result: Allowed, ExplicitlyDenied, ImplicitlyDenied
// or, if it cannot be simulated, why. The folder with node_modules is the argument.
import { pathToFileURL } from "node:url";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.argv[2], "package.json"));
const { runSimulation } = await import(pathToFileURL(require.resolve("@cloud-copilot/iam-simulate")));

let text = "";
for await (const part of process.stdin) text += part;
const results = [];
for (const simulation of JSON.parse(text)) {
  const result = await runSimulation(simulation, {});
  results.push(result.resultType === "error" ? JSON.stringify(result.errors) : result.overallResult);
}
process.stdout.write(JSON.stringify(results));
