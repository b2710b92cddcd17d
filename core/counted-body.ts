/** The same body; `note` is told of the bytes of each piece as it is read. */
export async function* counted(
  body: AsyncIterable<Uint8Array>,
  note: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    note(chunk.length)
    yield chunk
  }
}
