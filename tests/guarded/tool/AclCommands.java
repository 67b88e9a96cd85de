import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.tools.AclCommand;

/** Runs Kafka's own tool for access lists once a line, its arguments apart by tabs; the tool ends all if one fails. */
public class AclCommands {
    public static void main(String[] none) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            AclCommand.main(line.split("\t"));
        }
    }
}
