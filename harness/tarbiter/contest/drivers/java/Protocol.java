import java.io.BufferedReader;
import java.io.File;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** The driver protocol without a JSON library: requests have one fixed spelling, answers need escapes only. */
final class Protocol {
    /** Something that extracts an archive, and lists it. */
    interface Library {
        void extract(File archive, File dest) throws Exception;

        /** The members' names; null: it does not list. */
        default List<String> list(File archive) throws Exception {
            return null;
        }
    }

    private static String value(String line, String key, String end) {
        int start = line.indexOf(key) + key.length();
        return line.substring(start, line.indexOf(end, start));
    }

    private static String escaped(String text) {
        StringBuilder out = new StringBuilder();
        for (char one : text.toCharArray()) {
            if (one >= ' ' && one <= '~' && one != '"' && one != '\\') out.append(one);
            else out.append(String.format("\\u%04x", (int) one));
        }
        return out.toString();
    }

    private static String hex(String name) {
        StringBuilder out = new StringBuilder("\"");
        for (byte one : name.getBytes(StandardCharsets.UTF_8)) out.append(String.format("%02x", one & 0xff));
        return out.append('"').toString();
    }

    /** What an error is to the harness: memory that ran out, a promised exception, or a bug. */
    private static String status(Throwable error) {
        if (error instanceof OutOfMemoryError) return "limit";
        return error instanceof IOException ? "refused" : "crashed";
    }

    /** Answer requests until standard input ends. Only IOException is promised; anything else is a crash. */
    static void serve(Library library) throws IOException {
        PrintStream say = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.US_ASCII);
        System.setOut(System.err); // libraries print
        say.println("{\"tarbiter\":1}");
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line; (line = lines.readLine()) != null; ) {
            File archive = new File(value(line, "\"archive\":\"", "\""));
            File dest = new File(value(line, "\"dest\":\"", "\""));
            StringBuilder answer = new StringBuilder("{\"id\":" + value(line, "\"id\":", ",") + ",\"status\":");
            try {
                library.extract(archive, dest);
                answer.append("\"ok\"");
            } catch (Throwable error) {
                String kind = error.getClass().getName(), text = String.valueOf(error.getMessage());
                answer.append("\"" + status(error) + "\",\"class\":\"" + kind + "\",\"error\":\"" + escaped(text) + "\"");
            }
            if (line.contains("\"list\":true")) {
                try {
                    List<String> names = library.list(archive);
                    String hex = names == null ? null : String.join(",", names.stream().map(Protocol::hex).toList());
                    if (hex != null) answer.append(",\"names\":[" + hex + "]");
                } catch (Throwable error) { // memory can run out here too
                    System.err.println(error); // how it extracted has been told already
                }
            }
            say.println(answer + "}");
        }
    }
}
