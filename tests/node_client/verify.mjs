// Verifies pushes with the reference library. A line in: {secret, headers, body (base64)}; a line out: "" or the refusal.
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, headers, body } = JSON.parse(line);
  let refusal = "";
  try {
    new Webhook(secret).verify(Buffer.from(body, "base64"), headers);
  } catch (error) {
    refusal = `${error.name}: ${error.message}`;
  }
  console.log(refusal);
}
