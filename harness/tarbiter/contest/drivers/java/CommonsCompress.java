import java.io.BufferedInputStream;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import org.apache.commons.compress.archivers.ArchiveEntry;
import org.apache.commons.compress.archivers.examples.Expander;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;

/** Extracts with the Expander of Apache Commons Compress. */
final class CommonsCompress implements Protocol.Library {
    private static TarArchiveInputStream open(File archive) throws IOException {
        return new TarArchiveInputStream(
                new BufferedInputStream(Files.newInputStream(archive.toPath())), StandardCharsets.UTF_8.name());
    }

    @Override
    public void extract(File archive, File dest) throws Exception {
        try (TarArchiveInputStream input = open(archive)) {
            new Expander().expand(input, dest); // a File: older versions take no Path
        }
    }

    @Override
    public List<String> list(File archive) throws Exception {
        List<String> names = new ArrayList<>();
        try (TarArchiveInputStream input = open(archive)) {
            for (ArchiveEntry entry; (entry = input.getNextEntry()) != null; ) names.add(entry.getName());
        }
        return names;
    }

    public static void main(String[] arguments) throws IOException {
        Protocol.serve(new CommonsCompress());
    }
}
