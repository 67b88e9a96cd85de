import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.SchemaCompatibility.SchemaCompatibilityType;

/** Answers each line "reader TAB writer" with compatible, incompatible or invalid. */
public final class Compare {
  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] pair = line.split("\t");
      out.println(compare(pair[0], pair[1]));
    }
  }

  private static String compare(String reader, String writer) {
    Schema read;
    Schema written;
    try {
      read = new Schema.Parser().parse(reader);
      written = new Schema.Parser().parse(writer);
    } catch (RuntimeException error) {
      return "invalid";
    }
    try {
      return SchemaCompatibility.checkReaderWriterCompatibility(read, written).getType()
              == SchemaCompatibilityType.COMPATIBLE
          ? "compatible"
          : "incompatible";
    } catch (AvroRuntimeException error) {
      return "incompatible"; // two fields of the writer answer to one of the reader
    }
  }
}
